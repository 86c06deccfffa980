"""What every actor's document has in common: an id, a revision, and how its change is written.

An actor is changed by one message at a time, in its mailbox's order; `rev` is the compare-and-set fence for the moment
in which two workers believe that they own it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple, Self

from beanie import Document
from pydantic import BaseModel, ConfigDict, PrivateAttr


class Stored(Document):
    """A Beanie document that can be made and changed without a database: only reading and writing need one.

    Beanie's own constructor asks for the collection, which plain functions on documents do not have; and its documents
    may be parsed lazily, for which they look twice at every attribute that is read: ours never are.
    """

    __getattribute__ = object.__getattribute__

    def __init__(self, /, **data: Any) -> None:
        BaseModel.__init__(self, **data)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # keeps pydantic's fast path


class CausedChange(BaseModel):
    """One change of state in an actor's history; `rev` is the actor's revision after it."""

    rev: int
    at: datetime
    reason: str | None = None
    cause: str | None = None  # id of the message; None: written by a release that did not note it


class Write(NamedTuple):
    """One write: an update of the one document that the guard finds; without a guard the document to insert."""

    guard: dict[str, Any] | None
    change: dict[str, Any]


class Actor(Stored):
    """A document that one mailbox owns.

    Methods that change it check first and change after, so that a refusal leaves it as it was, and call `touch()`
    once per effective change. `loaded_rev` is the revision in the database, 0 for one not yet written.
    """

    model_config = ConfigDict(extra="ignore")

    kind: ClassVar[str]

    id: str  # type: ignore[assignment]
    rev: int = 0

    _loaded_rev: int = PrivateAttr(default=0)

    @classmethod
    def loaded(cls, raw: dict[str, Any]) -> Self:
        """The actor as it stands in the database."""
        actor: Self = cls.model_validate(raw)
        actor._loaded_rev = actor.rev
        return actor

    def touch(self) -> None:
        """Counts one effective change."""
        self.rev += 1

    def saved(self) -> None:
        """What it is now is what the database has."""
        self._loaded_rev = self.rev

    def caused_by(self, message_id: str) -> None:
        """Notes the message behind the changes since it was loaded, in kinds whose history keeps it."""

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.rev != self._loaded_rev

    @property
    def loaded_rev(self) -> int:
        """The revision that the compare-and-set expects in the database; 0: not there yet."""
        return self._loaded_rev

    def write(self) -> Write:
        """The one write that carries all changes since it was loaded, guarded by its revision.

        An insert for a new actor (a duplicate key when another owner was first), else an update that matches nothing
        when the revision has moved.
        """
        if self._loaded_rev == 0:
            return Write(None, self.stored())
        return Write({"_id": self.id, "rev": self._loaded_rev}, self.delta())

    def stored(self) -> dict[str, Any]:
        """The whole document as MongoDB keeps it."""
        raw = self.model_dump(exclude={"id", "revision_id"})
        return {"_id": self.id, **raw}

    def delta(self) -> dict[str, Any]:
        """The update operators for what changed; kinds with large documents name only the parts that did."""
        raw = self.stored()
        del raw["_id"]
        return {"$set": raw}


def note_cause(history: Iterable[CausedChange], loaded_rev: int, message_id: str) -> None:
    """Names the message behind those changes that came after the revision that was loaded."""
    for change in history:
        if change.rev > loaded_rev:
            change.cause = message_id


def utc_now() -> datetime:
    """Now, in UTC, to the millisecond that MongoDB keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)

"""Which letters are meant: by group, by cause, by age, by id."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.letters.letter import Letter
from broker.topology import BY_NAME, GROUPS, Group


class UnknownGroup(Exception):
    """No group of that name has dead letters."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a letter must fulfil; None asks nothing. All of it together.

    `id` is a letter's or a message's; `cause` is a cause's id or a reason ("handler raised"); ages are counted from the
    last failure to `as_of`; `before` is the cut-off: of letters that failed later. A letter that does not say when it
    failed is as old as can be, but not before any time, because it may have come just now.
    """

    group: str | None = None
    cause: str | None = None
    type: str | None = None
    id: str | None = None
    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    before: datetime | None = None

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups to look into. Raises `UnknownGroup`."""
        if self.group is None:
            return GROUPS
        if self.group not in BY_NAME:
            raise UnknownGroup(f"no group is called {self.group!r}: there are {', '.join(BY_NAME)}")
        return (BY_NAME[self.group],)

    @property
    def names_something(self) -> bool:
        """Whether it says which letters, by group, cause, type or id. Times alone do not: `older_than` 0 is all."""
        return any(name is not None for name in (self.group, self.cause, self.type, self.id))

    def takes(self, letter: Letter, as_of: datetime) -> bool:
        """Whether a letter is meant."""
        if self.group is not None and letter.group.name != self.group:
            return False
        if self.cause is not None and self.cause not in (letter.cause_id, letter.reason):
            return False
        if self.type is not None and letter.type != self.type:
            return False
        if self.id is not None and self.id not in (letter.id, letter.message_id):
            return False
        return self._in_time(letter, as_of)

    def _in_time(self, letter: Letter, as_of: datetime) -> bool:
        failed = letter.last_failed_at
        if failed is None:
            return self.newer_than is None and self.before is None
        if self.before is not None and failed > self.before:
            return False
        if self.older_than is not None and as_of - failed < self.older_than:
            return False
        return self.newer_than is None or as_of - failed <= self.newer_than

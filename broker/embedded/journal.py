"""Where the embedded broker keeps its persistent messages, and what it asks of that place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from broker.embedded.messages import StoredMessage


class JournalError(Exception):
    """The journal could not keep or remove what it was given; says what and why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One persistent message in one durable queue.

    Ids grow in the order of acceptance. `moved_from` is the id of the entry that this one replaces (a dead
    letter): when both are found, only this one counts. `returns` is how often it was delivered and not acked.
    `expires_at`: epoch seconds.
    """

    id: int
    queue: str
    exchange: str
    routing_key: str
    properties: bytes
    body: bytes
    expires_at: float | None = None
    returns: int = 0
    moved_from: int | None = None

    @classmethod
    def of(cls, queue: str, message: StoredMessage, moved_from: int | None) -> Self:
        """A message as it is kept."""
        return cls(
            id=message.id,
            queue=queue,
            exchange=message.exchange,
            routing_key=message.routing_key,
            properties=message.properties,
            body=message.body,
            expires_at=message.expires_at,
            moved_from=moved_from,
        )

    def message(self) -> StoredMessage:
        """The message, at a start."""
        return StoredMessage(
            id=self.id,
            exchange=self.exchange,
            routing_key=self.routing_key,
            properties=self.properties,
            body=self.body,
            persistent=True,
            expires_at=self.expires_at,
            returns=self.returns,
            recovered=True,
        )


class Journal(Protocol):
    """What the broker needs kept. Every method raises JournalError when it could not do its work."""

    message_bytes_max: int

    async def append(self, entries: Sequence[Entry]) -> None:
        """Keep all entries, in this order. Returns when they survive a crash of the machine."""

    async def remove(self, ids: Sequence[int]) -> None:
        """Drop entries; absent ones are no error. Lost in a crash, it only means one more delivery."""

    async def mark(self, delivered: Mapping[str, int]) -> None:
        """Note for each queue the highest id that was handed to a consumer."""

    async def load(self) -> list[Entry]:
        """All entries by id. Those up to their queue's mark have one more return; the marks begin anew."""


def surviving(entries: Sequence[Entry]) -> list[Entry]:
    """The entries without those that a later one replaces: a crash within a move leaves both."""
    replaced = {entry.moved_from for entry in entries if entry.moved_from is not None}
    return sorted((e for e in entries if e.id not in replaced), key=lambda e: e.id)


class MemoryJournal:
    """A journal that lives as long as the process: for tests, with the behaviour of the real one."""

    def __init__(self, message_bytes_max: int = 15 * 1024 * 1024) -> None:
        self.message_bytes_max = message_bytes_max
        self.entries: dict[int, Entry] = {}
        self.marks: dict[str, int] = {}
        self.groups: list[int] = []
        self.failure: str | None = None

    async def append(self, entries: Sequence[Entry]) -> None:
        """Keep all entries, or none while `failure` is set."""
        self._check("append")
        self.entries.update((entry.id, entry) for entry in entries)
        self.groups.append(len(entries))

    async def remove(self, ids: Sequence[int]) -> None:
        """Drop entries."""
        self._check("remove")
        for entry_id in ids:
            self.entries.pop(entry_id, None)

    async def mark(self, delivered: Mapping[str, int]) -> None:
        """Raise the marks."""
        self._check("mark")
        for queue, entry_id in delivered.items():
            self.marks[queue] = max(entry_id, self.marks.get(queue, 0))

    async def load(self) -> list[Entry]:
        """All entries by id, delivered ones with one more return."""
        self._check("load")
        for entry in list(self.entries.values()):
            if entry.id <= self.marks.get(entry.queue, 0):
                self.entries[entry.id] = replace(entry, returns=entry.returns + 1)
        self.marks.clear()
        return surviving(list(self.entries.values()))

    def _check(self, step: str) -> None:
        if self.failure is not None:
            raise JournalError(f"journal {step}: {self.failure}")

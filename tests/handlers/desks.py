"""A runtime for unordered groups in memory: documents by compare-and-set, receipts, an outbox.

It keeps the promises that the real one makes to a handler, and no others. Every step that would wait for the
database is one suspension, so that a test may hold a worker there, run another, or let it die.
"""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from broker.groups import Effects, Follow, Transient
from broker.messages import SYSTEM, Envelope, Message, Sender, pack
from documents.actors import Actor
from documents.refusals import Refusal
from documents.terms import Terms

A = TypeVar("A", bound=Actor)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Pause:
    """One point at which a worker can be held: awaiting it suspends once, with or without an event loop."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass
class House:
    """What is durable: documents, receipts and the messages that left. `now` moves when a test says so."""

    now: datetime = NOW
    documents: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    sent: list[Message] = field(default_factory=list)
    results: dict[str, Effects] = field(default_factory=dict)

    def later(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += timedelta(seconds=seconds)

    def keep(self, *actors: Actor) -> None:
        """Writes actors if every revision is as it was loaded. Raises `Transient` otherwise, and writes none."""
        for actor in actors:
            there = self.documents.get((actor.kind, actor.id))
            if (there["rev"] if there else 0) != actor.loaded_rev:
                raise Transient(f"{actor.kind} {actor.id} has moved on")
        for actor in actors:
            self.documents[actor.kind, actor.id] = actor.stored()
            actor.saved()

    def get(self, kind: type[A], key: str) -> A | None:
        """The actor as it stands."""
        raw = self.documents.get((kind.kind, key))
        return kind.loaded(raw) if raw else None

    def told(self, kind: type[Message]) -> list[Message]:
        """The messages of one type that left."""
        return [message for message in self.sent if isinstance(message, kind)]


@dataclass
class MemoryDesk:
    """A `WorkDesk` on the house's documents."""

    house: House
    envelope: Envelope
    now: datetime
    terms: Terms = field(default_factory=Terms)

    async def load(self, kind: type[A], key: str) -> A | None:
        """See `WorkDesk`."""
        await Pause()
        return self.house.get(kind, key)

    async def save(self, *actors: Actor) -> None:
        """See `WorkDesk`."""
        await Pause()
        self.house.keep(*actors)


def envelope_of(message: Message, message_id: str, sender: Sender = SYSTEM) -> Envelope:
    """The envelope of a message."""
    return Envelope(
        id=message_id,
        type=type(message).__name__,
        version=message.version,
        key=message.key,
        sender=sender,
        accepted_at=NOW,
        correlation_id=message_id,
        data=pack(message),
    )


async def attempt(
    house: House,
    handler: Callable[[Any, Any], Awaitable[Effects]],
    message: Message,
    message_id: str,
    sender: Sender = SYSTEM,
) -> str:
    """One delivery as the runtime does it: the handler, then its effects and the receipt in one transaction.

    Returns the receipt's status. Raises `Transient`, and whatever else the handler raises.
    """
    desk = MemoryDesk(house, envelope_of(message, message_id, sender), house.now)
    if message_id in house.receipts:
        return house.receipts[message_id]
    try:
        effects = await handler(message, desk)
    except Refusal as refusal:
        await Pause()
        return house.receipts.setdefault(message_id, f"rejected {refusal.code}")
    await Pause()
    if message_id in house.receipts:  # somebody else was first: the transaction fails on the receipt
        return house.receipts[message_id]
    house.keep(*effects.created, *effects.saved)
    house.sent.extend(each.message if isinstance(each, Follow) else each for each in effects.messages)
    house.results[message_id] = effects
    house.receipts[message_id] = "pending" if effects.pending else "succeeded"
    return house.receipts[message_id]


async def deliver(
    house: House,
    handler: Callable[[Any, Any], Awaitable[Effects]],
    message: Message,
    message_id: str = "m1",
    sender: Sender = SYSTEM,
    *,
    attempts: int = 1,
) -> str:
    """Delivers a message until it is settled. Raises the last `Transient` once `attempts` are spent."""
    for number in range(1, attempts + 1):
        try:
            return await attempt(house, handler, message, message_id, sender)
        except Transient:
            if number == attempts:
                raise
    raise AssertionError("attempts is at least 1")

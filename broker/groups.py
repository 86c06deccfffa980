"""What a group's handlers are, and what they are given.

A handler of an ordered group is a plain function `(actor, message, desk) -> Effects`: it changes the documents that it
is given through their own methods and says what follows; it never waits, commits or publishes. A rule that says no is
raised as a `Refusal` before anything has changed. A handler of an unordered group may wait for the outside
world (`async (message, desk) -> Effects`); what it changed is committed with its receipt after it returned.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from broker.messages import Envelope, Event, Message, Sender
from documents.actors import Actor
from documents.refusals import Refusal
from documents.stock import Stock
from documents.terms import Terms

A = TypeVar("A", bound=Actor)


@dataclass(frozen=True, slots=True)
class Follow:
    """A message that follows from another; `operation` hands the sender's operation on to it."""

    message: Message
    finishes_operation: bool = False


@dataclass(frozen=True, slots=True)
class Effects:
    """What a handler decided, besides the change of the documents that it was given.

    `resource` names what the operation is about ("orders/…"), `result` is a small JSON note in its receipt; `pending`
    leaves the operation open for a message in `messages` that finishes it; `created` are actors that did not exist
    before; `saved` (unordered groups) are actors changed since they were loaded. `refusal` is a no that has
    consequences, unlike one that is raised: the message is rejected, and what it decided takes effect.
    """

    resource: str | None = None
    result: dict[str, Any] | None = None
    messages: tuple[Message | Follow, ...] = ()
    created: tuple[Actor, ...] = ()
    saved: tuple[Actor, ...] = ()
    pending: bool = False
    refusal: Refusal | None = None

    @property
    def hands_on(self) -> bool:
        """Whether another message ends the sender's operation."""
        return any(isinstance(each, Follow) and each.finishes_operation for each in self.messages)


@dataclass(frozen=True, slots=True)
class Offer:
    """What an order needs to know of a title; `unit_price` in minor units of `currency`."""

    isbn: str
    title: str
    unit_price: int
    currency: str


@dataclass(slots=True)
class Desk:
    """What lies before an ordered group's handler: facts that were loaded with the batch.

    `offers` holds the titles that are for sale, `stock` those that are counted; both only for the titles that the
    group's `titles` function named.
    """

    envelope: Envelope
    now: datetime
    terms: Terms
    offers: Mapping[str, Offer] = field(default_factory=dict)
    stock: Mapping[str, Stock] = field(default_factory=dict)

    @property
    def sender(self) -> Sender:
        """Who sent the message."""
        return self.envelope.sender


class WorkDesk(Protocol):
    """What lies before an unordered group's handler."""

    envelope: Envelope
    now: datetime
    terms: Terms

    async def load(self, kind: type[A], key: str) -> A | None:
        """The actor as the database has it (read concern majority), or None."""
        ...

    async def save(self, *actors: Actor) -> None:
        """Writes changed actors now, before the outside is called: an intent that a crash leaves readable.

        Raises `Transient` where another owner was faster; the handler is then run again from the start.
        """
        ...


Titles: TypeAlias = Callable[[Any, Any], Iterable[str]]
"""Which titles (ISBN-13) a message needs, given its actor as loaded with the batch."""

OrderedHandler: TypeAlias = Callable[[Any, Any, Desk], Effects]
UnorderedHandler: TypeAlias = Callable[[Any, WorkDesk], Awaitable[Effects]]


@dataclass(frozen=True)
class OrderedGroup:
    """The handlers of a group whose actors' messages take effect in order.

    `fresh` makes the actor of a key that is not yet written, or None where a message cannot create it. Of the titles
    that `titles` names, the desk holds the offers for messages of `offers_for` and the stock for those of `stock_for`.
    """

    name: str
    actor: type[Actor]
    handlers: Mapping[type[Message], OrderedHandler]
    fresh: Callable[[str], Actor | None]
    titles: Titles
    offers_for: frozenset[type[Message]] = frozenset()
    stock_for: frozenset[type[Message]] = frozenset()


@dataclass(frozen=True)
class UnorderedGroup:
    """The handlers of a group that talks to the outside world, several at a time.

    `patience_s`: seconds that a message waits for company where nobody waits for its outcome; 0: it is begun at once.
    `outside`, where it is known, says what is wrong out there, in words, or None.
    """

    name: str
    handlers: Mapping[type[Message], UnorderedHandler]
    concurrency: int = 64
    attempts_max: int = 12
    patience_s: float = 0.0
    outside: Callable[[], str | None] | None = None


class Transient(Exception):
    """Try again later: the outside world did not answer, or another owner was faster."""


__all__ = [
    "Desk",
    "Effects",
    "Event",
    "Follow",
    "Offer",
    "OrderedGroup",
    "OrderedHandler",
    "Titles",
    "Transient",
    "UnorderedGroup",
    "UnorderedHandler",
    "WorkDesk",
]

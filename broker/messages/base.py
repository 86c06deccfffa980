"""Commands, events and the envelope they travel in.

The body of every message is one JSON object: the envelope's fields and, under `data`, the message itself. The AMQP
properties repeat what people look for in the management console (message_id, type, correlation_id, timestamp).
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Self, TypeAlias

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is said: an imperative command or an event in the past tense. `key` names the actor that it is about."""

    version: ClassVar[int] = 1

    @property
    def key(self) -> str:
        """The id of the actor in whose mailbox it belongs."""
        raise TypeError(f"{type(self).__name__} does not say whose message it is")


class Command(Message, frozen=True, kw_only=True):
    """A wish, addressed to one group."""

    group: ClassVar[str]


class Event(Message, frozen=True, kw_only=True):
    """A fact, for whoever subscribes. `mandatory`: an event that no queue takes is an error."""

    mandatory: ClassVar[bool] = True


class Sender(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who sent a command, as the edge authenticated it.

    `id` is `user:<id>`, `guest:<cart or order id>` or `system:<part>`; `roles` are of the account; `holds` names the
    carts and orders whose token the sender showed.
    """

    id: str
    roles: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()

    @property
    def is_staff(self) -> bool:
        """Whether the account may act for the shop."""
        return "staff" in self.roles

    @property
    def is_system(self) -> bool:
        """Whether one of our own processes sent it."""
        return self.id.startswith("system:")

    @property
    def user_id(self) -> str | None:
        """The account, if it is one."""
        kind, _, name = self.id.partition(":")
        return name if kind == "user" else None


SYSTEM = Sender("system:worker")


Kinds: TypeAlias = dict[str, type[Message]]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every message carries besides itself.

    `id` is the idempotency key: a group processes one id once. `fingerprint` is a hash of method, path and body of the
    request behind it. `operation` names the message whose operation this one finishes, where that is another one.
    """

    id: str
    type: str
    version: int
    key: str
    sender: Sender
    accepted_at: Annotated[datetime, msgspec.Meta(tz=True)]
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None
    fingerprint: str = ""
    operation: str | None = None
    rev: int | None = None  # of the actor that an event is about, after the change
    data: msgspec.Raw

    def open(self, kinds: Kinds) -> Message:
        """The message inside. Raises `UnknownMessage` or `msgspec.ValidationError`."""
        kind = kinds.get(self.type)
        if kind is None:
            raise UnknownMessage(f"no message is called {self.type!r}")
        if self.version != kind.version:
            raise UnknownMessage(f"{self.type} has version {kind.version}, not {self.version}")
        return msgspec.json.decode(self.data, type=kind)

    def to_bytes(self) -> bytes:
        """The body as it travels."""
        return ENCODER.encode(self)

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """The envelope of a body. Raises `msgspec.DecodeError` (of which `ValidationError` is one)."""
        return msgspec.json.decode(body, type=cls)


class UnknownMessage(Exception):
    """A type or version that this release does not know."""


ENCODER = msgspec.json.Encoder()


def pack(message: Message) -> msgspec.Raw:
    """A message as the `data` of an envelope."""
    return msgspec.Raw(ENCODER.encode(message))


def plain(message: Any) -> Any:
    """Any struct as JSON builtins."""
    return msgspec.to_builtins(message)

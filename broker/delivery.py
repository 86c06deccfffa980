"""One message as it was delivered: decoded once, and everything needed to end it."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from aio_pika.abc import AbstractIncomingMessage
from aiormq.abc import AbstractChannel

from broker.messages import MESSAGES, SYSTEM, Envelope, Event, Message, UnknownMessage
from broker.replays import Replay
from broker.telemetry import Span
from broker.topology import Group
from documents.actors import utc_now

SHORT_BYTES_MAX = 255  # AMQP 0-9-1, 4.2.5.3: what a property such as message_id holds
ENVELOPE_BYTES_MAX = 16_384  # an envelope without its message; its fields become receipts and headers

ATTEMPTS_HEADER = "x-quire-attempts"
RETURNS_HEADER = "x-delivery-count"  # the broker's: how often a quorum queue delivered it in vain
FIRST_FAILED_HEADER = "x-quire-first-failed-at"


Reason: TypeAlias = Literal[
    "attempts spent",
    "could not be written",
    "delivery limit reached",
    "expired",
    "handler raised",
    "killed its worker",
    "superseded",
    "undecodable",
]
"""Why a message became a dead letter, as people read it; docs/actors.md says what each means and what to do."""

REASONS: tuple[Reason, ...] = get_args(Reason)
NEVER_FINISHED: frozenset[Reason] = frozenset({"killed its worker", "delivery limit reached"})
"""Nobody saw the end of it: its worker died of it, or of one that was delivered with it."""


class Unsound(Exception):
    """An envelope that decodes, and still cannot be one of ours."""


@dataclass(eq=False, slots=True)
class Delivery:
    """A delivered message. `message` is None where it could not be decoded, and `failure` says why.

    `attempts` counts the failed attempts before this delivery, from our own header: RabbitMQ 4 does not carry x-death
    counts through a republish. `returns` counts, by the broker, the deliveries that nobody finished; `noted` says that
    broker/suspicion.py has a note on this one.
    """

    group: Group
    queue: str
    raw: AbstractIncomingMessage
    channel: AbstractChannel  # the message's own property raises once the channel is closed
    envelope: Envelope
    message: Message | None
    failure: BaseException | None = None
    reason: Reason | None = None
    attempts: int = 0
    returns: int = 0
    noted: bool = False
    first_failed_at: str | None = None
    replay: Replay | None = None
    due: float = 0.0  # event-loop time before which it is not tried again (in place)
    give_up_at: float | None = None
    taken_at: float = 0.0  # event-loop time at which work on it began
    span: Span | None = None
    actor: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.actor = (self.group.name, self.envelope.key)

    @property
    def gone(self) -> bool:
        """Whether its channel is closed: the broker delivers it again, to whoever owns the queue now."""
        return self.channel.is_closed

    @property
    def tag(self) -> int:
        """Its number on its channel."""
        assert self.raw.delivery_tag is not None
        return self.raw.delivery_tag

    @property
    def is_event(self) -> bool:
        """Whether it is a fact that nobody can be told a refusal of; one that ends an operation has its sender."""
        return isinstance(self.message, Event) and self.envelope.operation is None

    def fail(self, reason: Reason, error: BaseException) -> None:
        """It is to be dead-lettered."""
        self.failure = error
        self.reason = reason


def receive(group: Group, queue: str, raw: AbstractIncomingMessage) -> Delivery:
    """Decodes a delivery. What cannot be decoded is a delivery that fails.

    Raises `ChannelInvalidStateError` where its channel is closed already: it will come again.
    """
    channel = raw.channel
    headers = raw.headers
    attempts = headers.get(ATTEMPTS_HEADER, 0)
    returns = headers.get(RETURNS_HEADER, 0)
    first = headers.get(FIRST_FAILED_HEADER)
    known: dict[str, Any] = {
        "attempts": attempts if isinstance(attempts, int) else 0,
        "returns": returns if isinstance(returns, int) else 0,
        "first_failed_at": str(first) if first else None,
        "replay": Replay.read(headers),
    }
    try:
        envelope = Envelope.from_bytes(raw.body)
        _require_sound(envelope, raw)
    except (msgspec.DecodeError, Unsound) as error:
        unread = _unreadable(raw)
        return Delivery(
            group, queue, raw, channel, unread, None, failure=error, reason="undecodable", **known
        )
    try:
        message = envelope.open(MESSAGES)
        if message.key != envelope.key:
            raise Unsound(f"the envelope is about {envelope.key}, its message about {message.key}")
    except (msgspec.DecodeError, UnknownMessage, Unsound) as error:
        return Delivery(
            group, queue, raw, channel, envelope, None, failure=error, reason="undecodable", **known
        )
    return Delivery(group, queue, raw, channel, envelope, message, **known)


def _require_sound(envelope: Envelope, raw: AbstractIncomingMessage) -> None:
    """Raises `Unsound` where the envelope could not be answered, kept or passed on."""
    for name in ("id", "type", "correlation_id"):
        size = len(getattr(envelope, name).encode())
        if size > SHORT_BYTES_MAX:
            raise Unsound(f"its {name} has {size} bytes, a property holds {SHORT_BYTES_MAX}")
    if not envelope.id:
        raise Unsound("its id is empty")
    around = len(raw.body) - len(bytes(envelope.data))
    if around > ENVELOPE_BYTES_MAX:
        raise Unsound(f"its envelope has {around} bytes, the limit is {ENVELOPE_BYTES_MAX}")


def _unreadable(raw: AbstractIncomingMessage) -> Envelope:
    """An envelope for a body that has none: its id is the property's, else a hash of the body."""
    return Envelope(
        id=raw.message_id or blake2b(raw.body, digest_size=16).hexdigest(),
        type=raw.type or "unreadable",
        version=0,
        key="",
        sender=SYSTEM,
        accepted_at=utc_now(),
        correlation_id=raw.correlation_id or "",
        data=msgspec.Raw(b"null"),
    )

"""A dead letter as people see it: where it came from, what went wrong, and what it is about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from aiormq.abc import DeliveredMessage

from broker.dead import ACTOR, ATTEMPTS, BYTES, ERROR, FIRST, LAST, ORIGIN, REASON
from broker.messages import Envelope
from broker.replays import EARLIER, HISTORY, REPLAY, REPLAYS, count_of, history_of
from broker.topology import Group

VARIABLE = re.compile(r"[\w-]*\d[\w-]*")  # a word with a digit in it: an id, a number, a time
CAUSE_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter of `<group>.dead`, its body aside.

    `id` names it in commands: 16 hex digits, the same at every look. `key` is the actor's, empty where the body could
    not be read; `accepted_at` and `sender` are then None. `size` is of the body in bytes; `cut` says that the letter
    could not keep all of it. `attempts` are of the last round, `earlier_attempts` of those before; `replay` is the run
    that sent it round last.
    """

    id: str
    group: Group
    message_id: str
    type: str
    key: str
    correlation_id: str
    origin: str
    actor: str
    reason: str
    error: str
    attempts: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    replay: str | None
    replays: int
    earlier_attempts: int
    history: tuple[str, ...]
    accepted_at: datetime | None
    sender: str | None
    size: int
    cut: bool
    headers: Mapping[str, Any]

    @property
    def cause(self) -> str:
        """What went wrong without the ids and numbers in it: letters with the same cause have one bug in common."""
        line = self.error.partition("\n")[0]
        return VARIABLE.sub("…", line)[:CAUSE_LENGTH_MAX]

    @property
    def cause_id(self) -> str:
        """The cause's name in commands: 8 hex digits of group, type, reason and cause."""
        return digest(4, self.group.name, self.type, self.reason, self.cause)

    @property
    def story(self) -> tuple[str, ...]:
        """A line for each failure, the latest last."""
        at = self.last_failed_at.isoformat() if self.last_failed_at else "at an unknown time"
        attempts = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        error = self.error.partition("\n")[0][:CAUSE_LENGTH_MAX]
        return (*self.history, f"{at} {self.reason} after {attempts} in {self.origin}: {error}")


def letter_of(group: Group, message: DeliveredMessage) -> Letter:
    """Reads a delivered letter. What somebody else put into the queue is a letter too, of an unknown reason."""
    properties = message.header.properties
    headers: dict[str, Any] = properties.headers or {}
    envelope = _envelope(message.body)
    message_id = properties.message_id or digest(16, message.body.hex())
    last = headers.get(LAST)
    return Letter(
        id=digest(8, group.name, message_id, str(last)),
        group=group,
        message_id=message_id,
        type=properties.message_type or "unknown",
        key=envelope.key if envelope is not None else "",
        correlation_id=properties.correlation_id or "",
        origin=str(headers.get(ORIGIN, "unknown")),
        actor=str(headers.get(ACTOR, "")),
        reason=str(headers.get(REASON, "unknown")),
        error=str(headers.get(ERROR, "unknown")),
        attempts=count_of(headers.get(ATTEMPTS)),
        first_failed_at=time_of(headers.get(FIRST)),
        last_failed_at=time_of(last),
        replay=str(headers[REPLAY]) if REPLAY in headers else None,
        replays=count_of(headers.get(REPLAYS)),
        earlier_attempts=count_of(headers.get(EARLIER)),
        history=history_of(headers.get(HISTORY)),
        accepted_at=envelope.accepted_at if envelope is not None else None,
        sender=envelope.sender.id if envelope is not None else None,
        size=len(message.body),
        cut=BYTES in headers,
        headers={name: plain(value) for name, value in headers.items()},
    )


def time_of(value: object) -> datetime | None:
    """A header with a time; None for anything else. One without a zone is UTC."""
    if not isinstance(value, str | datetime):
        return None
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def digest(size: int, *parts: str) -> str:
    """A hash of some texts, `size` bytes in hex."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


def plain(value: Any) -> Any:
    """A header's value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _envelope(body: bytes) -> Envelope | None:
    try:
        return Envelope.from_bytes(body)
    except msgspec.DecodeError:
        return None

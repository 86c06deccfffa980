"""What the parts of a process tell of their work to whoever measures it.

The base class listens to nobody and costs a call. Whoever listens overrides what it wants to hear; ops hands it in.
Told is once a batch wherever that is possible, and spans exist only for what was sampled where it came in.

A trace travels as W3C traceparent (https://www.w3.org/TR/trace-context/) in the envelope. The edge alone decides what
is sampled; a worker follows the flag, so that the messages of one request are traced all or none.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

if TYPE_CHECKING:
    from broker.delivery import Delivery

TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
SAMPLED: Final = frozenset("13579bdf")  # last digits of the flags whose lowest bit is set
IN_PLACE = "in place"  # the tier of a message that waits in its mailbox

HANDLED: ContextVar["Delivery | None"] = ContextVar("HANDLED", default=None)
"""The message that is being handled: what is logged meanwhile names its ids, read only where a line is written."""


class Span(Protocol):
    """A part of a sampled trace that is under way; whoever made it ends it."""

    @property
    def traceparent(self) -> str:
        """What makes other spans its children, wherever they are."""
        ...


class Traced(Protocol):
    """Something that may belong to a sampled trace."""

    span: Span | None


class Round(Protocol):
    """Several that are written together, from when they are taken until they are durable or refused."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def transaction(self) -> AbstractContextManager[object]:
        """The one attempt at the database."""
        ...


class Nothing:
    """A round, a transaction or a publish that nobody hears of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    def transaction(self) -> "Nothing":
        """See `Round`."""
        return self


NOTHING: Final = Nothing()


class Telemetry:
    """Who listens: nobody. Methods of those who do neither wait nor raise."""

    def request(self, method: str, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Span | None:  # noqa: ARG002
        """A request came in; its span, where it is sampled."""
        return None

    def answered(
        self, span: Span | None, method: str, route: str, status: int, seconds: float, correlation_id: str
    ) -> None:
        """A request ended; `route` is the template."""

    def publishing(
        self,
        kind: str,  # noqa: ARG002
        destination: str,  # noqa: ARG002
        headers: Mapping[str, Any] | None,  # noqa: ARG002
    ) -> AbstractContextManager[object]:
        """A publish, from the call to its confirm; what it raises tells how it went."""
        return NOTHING

    def received(self, delivery: "Delivery") -> None:
        """A message was delivered. May give it a span, and then an envelope that names that span to what follows."""

    def round(self, name: str, members: Sequence[Traced]) -> Round:  # noqa: ARG002
        """Several are about to be written together; `name` is "ordered" or "unordered"."""
        return NOTHING

    def settled(self, answers: Sequence[tuple["Delivery", Mapping[str, Any]]]) -> None:
        """Messages came to their receipts, which are durable."""

    def retried(self, delivery: "Delivery", tier: str, error: BaseException) -> None:
        """A message waits for its next attempt: `IN_PLACE`, or in a retry queue."""


SILENT: Final = Telemetry()


def is_sampled(traceparent: str | None) -> bool:
    """Whether spans are to be made; of a well-formed traceparent, by its flag."""
    return traceparent is not None and traceparent[-1:] in SAMPLED


def ids_of(delivery: "Delivery") -> dict[str, str]:
    """What a log line about a message names it by."""
    envelope = delivery.envelope
    named = {
        "group": delivery.group.name,
        "type": envelope.type,
        "message_id": envelope.id,
        "correlation_id": envelope.correlation_id,
    }
    order_id = getattr(delivery.message, "order_id", None)
    if order_id:
        named["order_id"] = order_id
    if envelope.traceparent is not None and TRACEPARENT.fullmatch(envelope.traceparent):
        named["trace_id"] = envelope.traceparent[3:35]
    return named

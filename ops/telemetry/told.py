"""Who listens: counts everything, and for what is sampled makes spans and writes log lines."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self
from zlib import crc32

import structlog

from broker.delivery import Delivery
from broker.telemetry import NOTHING, Round, Span, Telemetry, Traced, ids_of
from documents.operations import Outcome
from ops.telemetry import traces
from ops.telemetry.series import ACCEPTED, OTHER, PUBLISHED, TIERS, TYPES, Series, among, refusal
from ops.telemetry.traces import Made, Traces

log = structlog.get_logger(__name__)

FAILED = Outcome.FAILED.value
STEPS = 1 << 32  # values of crc32


class Told(Telemetry):
    """`log_ratio` of what goes well is logged, by correlation id: all lines of one request stand there, or none.

    What is traced is logged too; what failed is always.
    """

    def __init__(self, series: Series, *, traced: Traces | None = None, log_ratio: float = 0.0) -> None:
        self.series = series
        self._traces = traced
        self._log_below = int(log_ratio * STEPS)

    def _logs(self, correlation_id: str) -> bool:
        return crc32(correlation_id.encode()) < self._log_below

    def request(self, method: str, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Span | None:
        """See `Telemetry`."""
        return self._traces.request(method, path, headers) if self._traces is not None else None

    def answered(
        self, span: Span | None, method: str, route: str, status: int, seconds: float, correlation_id: str
    ) -> None:
        """See `Telemetry`."""
        if isinstance(span, Made):
            span.of.update_name(f"{method} {route}")
            attributes: traces.Attributes = {"http.route": route, "http.response.status_code": status}
            traces.end(span, attributes, f"answered {status}" if status >= 500 else None)
        if span is not None or self._logs(correlation_id):
            named = {"trace_id": span.traceparent[3:35]} if span is not None else {}
            log.info(
                "request.answered",
                method=method,
                route=route,
                status=status,
                ms=round(1000 * seconds, 1),
                correlation_id=correlation_id,
                **named,
            )

    def publishing(
        self, kind: str, destination: str, headers: Mapping[str, Any] | None
    ) -> AbstractContextManager[object]:
        """See `Telemetry`."""
        span = None
        if headers is not None and self._traces is not None:
            span = self._traces.publishing(kind, destination, headers.get("traceparent"))
        return Publish(self.series, span)

    def received(self, delivery: Delivery) -> None:
        """See `Telemetry`."""
        if delivery.raw.redelivered:
            self.series.redelivered.add(delivery.group.name)
        if self._traces is not None and delivery.envelope.traceparent is not None:
            delivery.span = self._traces.received(delivery)

    def round(self, name: str, members: Sequence[Traced]) -> Round:
        """See `Telemetry`."""
        return Batch(self.series, self._traces, name, members)

    def settled(self, answers: Sequence[tuple[Delivery, Mapping[str, Any]]]) -> None:
        """See `Telemetry`."""
        wall, now = time.time(), asyncio.get_running_loop().time()
        series = self.series
        for delivery, receipt in answers:
            envelope = delivery.envelope
            group, status = delivery.group.name, receipt["status"]
            handled_s = now - delivery.taken_at
            wait_s = max(0.0, wall - envelope.accepted_at.timestamp() - handled_s)
            series.waited.observe(wait_s, group)
            series.handled.observe(handled_s, group)
            series.messages.add(group, among(envelope.type, TYPES), status)
            if delivery.reason is not None and status == FAILED:
                series.dead.add(group, delivery.reason)
                log.error(
                    "message.dead", **ids_of(delivery), reason=delivery.reason, error=repr(delivery.failure)
                )
            elif delivery.span is not None or self._logs(envelope.correlation_id):
                log.info(
                    "message.handled",
                    **ids_of(delivery),
                    outcome=status,
                    wait_ms=round(1000 * wait_s, 1),
                    handle_ms=round(1000 * handled_s, 1),
                )
            if isinstance(delivery.span, Made):
                error = f"dead letter: {delivery.reason}" if delivery.failure is not None else None
                traces.end(delivery.span, {"quire.outcome": status}, error)

    def retried(self, delivery: Delivery, tier: str, error: BaseException) -> None:
        """See `Telemetry`. A message in its mailbox goes on in its span, a copy in a retry queue begins another."""
        known = among(tier, TIERS)
        self.series.retried.add(delivery.group.name, known)
        if not isinstance(delivery.span, Made):
            return
        delivery.span.of.add_event("retry", {"quire.tier": known, "exception.message": str(error)})
        if tier in TIERS[1:]:
            traces.end(delivery.span, {"quire.outcome": "retried"}, repr(error))


class Publish:
    """One publish under way."""

    __slots__ = ("_began", "_series", "_span")

    def __init__(self, series: Series, span: Made | None) -> None:
        self._series = series
        self._span = span
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Counts how it went."""
        outcome = ACCEPTED if kind is None else PUBLISHED.get(kind, OTHER)
        self._series.published.observe(time.perf_counter() - self._began, outcome)
        if self._span is not None:
            traces.end(self._span, {"quire.outcome": outcome}, None if error is None else str(error))


class Batch:
    """One transaction under way."""

    __slots__ = ("_began", "_name", "_series", "_size", "_span", "_traces")

    def __init__(self, series: Series, traced: Traces | None, name: str, members: Sequence[Traced]) -> None:
        self._series = series
        self._traces = traced
        self._name = name
        self._size = len(members)
        self._span = traced.batch(name, members) if traced is not None else None
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Counts how it went."""
        if error is None:
            self._series.batch_size.observe(self._size, self._name)
            self._series.batch_duration.observe(time.perf_counter() - self._began, self._name)
        else:
            self._series.refused.add(self._name, refusal(error))
        if self._span is not None:
            traces.end(self._span, error=None if error is None else repr(error))

    def transaction(self) -> AbstractContextManager[object]:
        """See `Round`."""
        if self._span is None or self._traces is None:
            return NOTHING
        return Ending(self._traces.transaction(self._span))


class Ending:
    """Ends a span with the block."""

    __slots__ = ("_span",)

    def __init__(self, span: Made) -> None:
        self._span = span

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Names the error, where there is one."""
        traces.end(self._span, error=None if error is None else repr(error))

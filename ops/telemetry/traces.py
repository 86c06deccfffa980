"""Spans, for what was sampled; OpenTelemetry's semantic conventions where they have a name.

    POST /v1/carts/{id}/items        the request                                              SERVER
      send AddItem                   publish and confirm                                      PRODUCER
      process AddItem                from its delivery to its receipt                         CONSUMER
        send OrderPlaced ...         what follows from it
        batch                        with one sampled message in it: its child                INTERNAL
          transaction                what MongoDB was asked for                               CLIENT

A batch that joins several sampled messages is the root of a trace of its own, linked to each of them and each to it
(https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/, batches).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from broker.delivery import Delivery
from broker.telemetry import TRACEPARENT, Span, Traced, is_sampled

LINKS_MAX = 128  # OpenTelemetry's own limit for a span
Attributes = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Made:
    """A span of OpenTelemetry's that is under way."""

    of: trace.Span
    traceparent: str


def parent_of(traceparent: str | None) -> Context | None:
    """The context that a sampled traceparent names; None where it is not sampled, or none at all."""
    if not is_sampled(traceparent) or traceparent is None or not TRACEPARENT.fullmatch(traceparent):
        return None
    remote = SpanContext(
        int(traceparent[3:35], 16),
        int(traceparent[36:52], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(traceparent[53:], 16)),
    )
    return trace.set_span_in_context(NonRecordingSpan(remote), Context())


class Traces:
    """Makes spans. `ratio` of the requests that bring no decision of their own are sampled, 0 to 1."""

    def __init__(
        self, tracer: trace.Tracer, ratio: float, *, draw: Callable[[], float] = random.random
    ) -> None:
        self._tracer = tracer
        self._ratio = ratio
        self._draw = draw

    def request(self, method: str, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Made | None:
        """The span of a request below /v1, where it is sampled: its sender's decision goes before ours."""
        if not path.startswith("/v1/"):
            return None
        given = next((value for name, value in headers if name == b"traceparent"), None)
        if given is not None and TRACEPARENT.fullmatch(told := given.decode("latin-1")):
            parent = parent_of(told)
        else:
            parent = Context() if self._draw() < self._ratio else None
        if parent is None:
            return None
        return self.start(method, parent, SpanKind.SERVER, {"http.request.method": method, "url.path": path})

    def received(self, delivery: Delivery) -> Made | None:
        """The span of a message, from now on. What follows from the message is a child of it."""
        envelope = delivery.envelope
        parent = parent_of(envelope.traceparent)
        if parent is None:
            return None
        attributes: dict[str, str | int] = {
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": delivery.queue,
            "messaging.message.id": envelope.id,
            "messaging.message.conversation_id": envelope.correlation_id,
            "messaging.message.body.size": len(delivery.raw.body),
            "quire.group": delivery.group.name,
            "quire.attempts": delivery.attempts,
        }
        span = self.start(f"process {envelope.type}", parent, SpanKind.CONSUMER, attributes)
        delivery.envelope = msgspec.structs.replace(envelope, traceparent=span.traceparent)
        return span

    def publishing(self, kind: str, destination: str, traceparent: str | None) -> Made | None:
        """The span of a publish, where what it belongs to is sampled."""
        parent = parent_of(traceparent)
        if parent is None:
            return None
        attributes = {
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": destination,
        }
        return self.start(f"send {kind}", parent, SpanKind.PRODUCER, attributes)

    def batch(self, name: str, members: Sequence[Traced]) -> Made | None:
        """The span of a batch with sampled messages in it; see the module."""
        spans = [each.span for each in members if each.span is not None]
        if not spans:
            return None
        contexts = [span.of.get_span_context() for span in _made(spans)[:LINKS_MAX]]
        attributes: Attributes = {"messaging.batch.message_count": len(members), "quire.loop": name}
        links = [Link(context) for context in contexts]
        parent = _within(spans[0]) if len(spans) == 1 else Context()
        batch = self.start("batch", parent, SpanKind.INTERNAL, attributes, links)
        for span in _made(spans):
            span.of.add_link(batch.of.get_span_context())
        return batch

    def transaction(self, batch: Made) -> Made:
        """The span of what the database was asked for."""
        return self.start(
            "transaction",
            _within(batch),
            SpanKind.CLIENT,
            {"db.system.name": "mongodb", "db.operation.name": "transaction"},
        )

    def start(
        self,
        name: str,
        parent: Context,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link] = (),
    ) -> Made:
        """A span from now on."""
        span = self._tracer.start_span(name, parent, kind=kind, attributes=dict(attributes), links=links)
        context = span.get_span_context()
        return Made(span, f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}")


def end(span: Made, attributes: Attributes | None = None, error: str | None = None) -> None:
    """A span is over; `error` says what went wrong, where something did."""
    if attributes:
        span.of.set_attributes(dict(attributes))
    if error is not None:
        span.of.set_status(Status(StatusCode.ERROR, error))
    span.of.end()


def _made(spans: Sequence[Span]) -> list[Made]:
    return [each for each in spans if isinstance(each, Made)]


def _within(span: Any) -> Context:
    return trace.set_span_in_context(span.of, Context())

"""Spans that stay in memory."""

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from ops.telemetry import Series, Told, Traces


class Kept:
    """Somebody who listens and keeps every span; `ratio` of the requests are sampled."""

    def __init__(self, ratio: float = 1.0, log_ratio: float = 0.0) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.traces = Traces(provider.get_tracer("test"), ratio)
        self.series = Series()
        self.told = Told(self.series, traced=self.traces, log_ratio=log_ratio)

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        """The spans that ended, all or those of a name."""
        return [span for span in self._exporter.get_finished_spans() if name in (None, span.name)]

    def of_trace(self, trace_id: int) -> list[ReadableSpan]:
        """The spans of one trace."""
        return [span for span in self.spans() if trace_of(span) == trace_id]


def trace_of(span: ReadableSpan) -> int:
    """Which trace a span belongs to."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


def id_of(span: ReadableSpan) -> int:
    """A span's own id."""
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def linked(span: ReadableSpan) -> set[int]:
    """The ids of the spans that a span is linked to."""
    return {link.context.span_id for link in span.links}

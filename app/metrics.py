"""What Prometheus scrapes from one edge process."""

from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

# Litestar names the charset of texts itself.
CONTENT_TYPE = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "_OTHER"  # as OpenTelemetry calls it: a method is a client's own text, and each would make a series
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Labels = tuple[str, ...]


class Counts(Collector):
    """A counter by its labels, kept here and named to the library when somebody scrapes.

    The library's own takes a lock for each addition, and checks what an exemplar might need; an edge and its worker
    count seven times for one addition to a cart. Here a process counts from its event loop alone. `kept`: what is
    counted already, and goes on being counted, elsewhere.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        text: str,
        labels: Labels,
        kept: dict[Labels, int] | None = None,
    ) -> None:
        self._empty = partial(CounterMetricFamily, name, text, labels=labels)
        self._kept = {} if kept is None else kept
        registry.register(self)

    def add(self, *labels: str) -> None:
        """One more."""
        self._kept[labels] = self._kept.get(labels, 0) + 1

    def describe(self) -> Iterator[CounterMetricFamily]:
        """See prometheus_client: a registry takes each name once."""
        yield self._empty()

    def collect(self) -> Iterator[CounterMetricFamily]:
        """See prometheus_client."""
        family = self._empty()
        for values, count in self._kept.items():
            family.add_metric(values, count)
        yield family


class Spread(Collector):
    """A histogram by its labels, kept as `Counts` are. `bounds` rise; a value belongs to the first not below it."""

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, labels: Labels, bounds: tuple[float, ...]
    ) -> None:
        self._empty = partial(HistogramMetricFamily, name, text, labels=labels)
        self._bounds = bounds
        self._names = [*map(floatToGoString, bounds), "+Inf"]
        self._kept: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        registry.register(self)

    def observe(self, value: float, *labels: str) -> None:
        """One more of that size."""
        counts = self._kept.get(labels)
        if counts is None:
            counts = self._kept[labels] = [0] * len(self._names)
            self._sums[labels] = 0.0
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """See prometheus_client: a registry takes each name once."""
        yield self._empty()

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """See prometheus_client."""
        family = self._empty()
        for values, counts in self._kept.items():
            buckets = list(zip(self._names, accumulate(counts), strict=True))
            family.add_metric(values, buckets, self._sums[values])
        yield family


class Metrics:
    """The edge's series, in a registry of their own unless one is given: two edges in one process do not mix."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
        self.registry = registry
        self._requests = Counts(
            registry, "quire_http_requests", "Requests answered", ("method", "route", "status")
        )
        self._seconds = Spread(
            registry,
            "quire_http_request_duration_seconds",
            "Time to the end of the answer",
            ("method", "route"),
            SECONDS,
        )
        self._published = Counts(
            registry, "quire_commands_published", "Commands sent to the broker", ("type", "outcome")
        )
        self._gauges: dict[str, Gauge] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts an answer; `route` is the template, never the path: ids would make a series each."""
        known = method if method in METHODS else OTHER
        self._requests.add(known, route, str(status))
        self._seconds.observe(seconds, known, route)

    def published(self, message: str, outcome: str) -> None:
        """Counts a publish: accepted, unavailable, unknown, unroutable or too_large."""
        self._published.add(message, outcome)

    def set(self, name: str, help_text: str, value: float) -> None:
        """A value as it is at the moment of the scrape."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(name, help_text, registry=self.registry)
        gauge.set(value)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)


class Uncounted(Metrics):
    """Counts nothing for each request: what is scraped are the values of the moment."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """See `Metrics`."""

    def published(self, message: str, outcome: str) -> None:
        """See `Metrics`."""

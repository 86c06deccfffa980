"""What Prometheus scrapes from one edge process."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

# Litestar names the charset of texts itself.
CONTENT_TYPE = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "_OTHER"  # as OpenTelemetry calls it: a method is a client's own text, and each would make a series
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, whose only reader is OpenMetrics


class Children(dict[tuple[str, ...], Any]):
    """A metric's children by their labels, each looked up in the library once: it takes a lock and builds a key."""

    def __init__(self, metric: Any) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Any:
        child = self[labels] = self._metric.labels(*labels)
        return child


class Metrics:
    """The edge's series, in a registry of their own unless one is given: two edges in one process do not mix."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
        self.registry = registry
        requests = Counter(
            "quire_http_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        seconds = Histogram(
            "quire_http_request_duration_seconds",
            "Time to the end of the answer",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        published = Counter(
            "quire_commands_published",
            "Commands sent to the broker",
            ("type", "outcome"),
            registry=self.registry,
        )
        self._requests, self._seconds, self._published = map(Children, (requests, seconds, published))
        self._gauges: dict[str, Gauge] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts an answer; `route` is the template, never the path: ids would make a series each."""
        known = method if method in METHODS else OTHER
        self._requests[known, route, str(status)].inc()
        self._seconds[known, route].observe(seconds)

    def published(self, message: str, outcome: str) -> None:
        """Counts a publish: accepted, unavailable, unknown, unroutable or too_large."""
        self._published[message, outcome].inc()

    def set(self, name: str, help_text: str, value: float) -> None:
        """A value as it is at the moment of the scrape."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(name, help_text, registry=self.registry)
        gauge.set(value)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)


class CacheCounts(Collector):
    """What a cache has counted by itself, `counts` by kind and result: a read from it costs an addition, no lock."""

    def __init__(self, counts: Mapping[tuple[str, str], int]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """See prometheus_client."""
        family = CounterMetricFamily(
            "quire_cache_requests", "Reads of the catalogue's cache", labels=["kind", "result"]
        )
        for labels, count in self._counts.items():
            family.add_metric(labels, count)
        yield family


class Uncounted(Metrics):
    """Counts nothing for each request: what is scraped are the values of the moment."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """See `Metrics`."""

    def published(self, message: str, outcome: str) -> None:
        """See `Metrics`."""

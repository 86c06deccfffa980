"""Metrics of prometheus_client, as the hot path uses them."""

from typing import Any


class Children(dict[tuple[str, ...], Any]):
    """A metric's children by their labels, each looked up in the library once: it takes a lock and builds a key."""

    def __init__(self, metric: Any) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Any:
        child = self[labels] = self._metric.labels(*labels)
        return child

"""Counters and histograms of our own: to whoever scrapes they are the library's."""

import random

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

from app.metrics import SECONDS, Counts, Spread

LABELS = ("method", "route")
SAMPLES = (("GET", "/v1/books"), ("POST", "/v1/carts/{cart_id}/items"), ("GET", 'a "quoted"\nroute'))

disable_created_metrics()  # type: ignore[no-untyped-call]


def test_they_are_exposed_as_the_librarys_own_to_the_byte() -> None:
    """Values on a bound, beyond the last and below the first among them."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counts, spread = Counts(ours, "asked", "Asked", LABELS), Spread(ours, "took", "Took", LABELS, SECONDS)
    counter = Counter("asked", "Asked", LABELS, registry=theirs)
    histogram = Histogram("took", "Took", LABELS, buckets=SECONDS, registry=theirs)
    draw = random.Random(7)
    values = [*SECONDS, 0.0, 31.0, *(draw.expovariate(5) for _ in range(200))]
    for number, value in enumerate(values):
        labels = SAMPLES[number % len(SAMPLES)]
        counts.add(*labels)
        spread.observe(value, *labels)
        counter.labels(*labels).inc()
        histogram.labels(*labels).observe(value)
    assert generate_latest(ours) == generate_latest(theirs)


def test_nothing_counted_is_a_name_without_values() -> None:
    """As the library has it before the first label."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    Counts(ours, "asked", "Asked", LABELS)
    Spread(ours, "took", "Took", LABELS, SECONDS)
    Counter("asked", "Asked", LABELS, registry=theirs)
    Histogram("took", "Took", LABELS, buckets=SECONDS, registry=theirs)
    assert generate_latest(ours) == generate_latest(theirs)


def test_what_is_counted_elsewhere_goes_on_being_counted() -> None:
    """The cache's reads add by themselves."""
    registry = CollectorRegistry()
    kept: dict[tuple[str, ...], int] = {("book", "hit"): 2}
    Counts(registry, "reads", "Reads", ("kind", "result"), kept)
    kept["book", "hit"] += 1
    assert registry.get_sample_value("reads_total", {"kind": "book", "result": "hit"}) == 3


def test_a_name_is_taken_once() -> None:
    """By the library's own, too: two families of one name are no exposition."""
    registry = CollectorRegistry()
    Counts(registry, "asked", "Asked", LABELS)
    Spread(registry, "took", "Took", LABELS, SECONDS)
    with pytest.raises(ValueError, match="Duplicated"):
        Counts(registry, "asked", "Asked", LABELS)
    with pytest.raises(ValueError, match="Duplicated"):
        Spread(registry, "took", "Took", LABELS, SECONDS)
    with pytest.raises(ValueError, match="Duplicated"):
        Counter("asked", "Asked", registry=registry)

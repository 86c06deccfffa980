"""Titles, layouts and wrk's answer."""

from collections import Counter

import pytest

from broker.topology import BY_NAME
from documents.catalog import isbn13
from ops.bench.figures import WentWrong
from ops.bench.stand import DEFAULT_WORKERS, Layout
from ops.bench.titles import Popularity, popularity, shelf
from ops.bench.wrk import read


def test_the_shelf_has_as_many_titles_as_were_asked_for() -> None:
    """More than the demo catalogue has, each with a valid ISBN of its own."""
    titles = shelf(1_000)
    assert len({isbn for isbn, _ in titles}) == 1_000
    assert all(isbn13(isbn) == isbn for isbn, _ in titles)


def test_popular_titles_are_drawn_as_often_as_they_weigh() -> None:
    """And the same ones each time."""
    weights = Popularity.of([1, 8, 1], "a test")
    drawn = weights.draws(10_000)
    assert drawn == weights.draws(10_000)
    counts = Counter(drawn)
    assert 7_800 < counts[0] < 8_200
    assert 800 < counts[1] < 1_200


def test_without_the_real_ratings_popularity_follows_zipf(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so: the first title comes twice as often as the second, ten times as often as the tenth."""
    monkeypatch.setenv("QUIRE_TEST_DATA", "/nowhere")
    drawn = popularity(100)
    assert "Zipf" in drawn.source
    counts = Counter(drawn.draws(50_000))
    assert 1.8 < counts[0] / counts[1] < 2.2
    assert 8.5 < counts[0] / counts[9] < 11.5


def test_the_workers_that_are_started_by_default_run_every_group() -> None:
    """Each group once."""
    layout = Layout.of(1, DEFAULT_WORKERS)
    assert sorted(name for groups in layout.workers for name in groups) == sorted(BY_NAME)


def test_a_group_that_no_worker_runs_is_refused() -> None:
    """Its messages would wait for ever; so is one that there is not."""
    with pytest.raises(WentWrong, match="no worker runs catalog"):
        Layout.of(1, ["carts,orders,payments,shipments,notifications"])
    with pytest.raises(WentWrong, match=r"no group is called cart$"):
        Layout.of(1, ["all", "cart"])


def test_wrk_is_believed_only_without_errors() -> None:
    """A figure of refusals is none, and neither is one of nothing."""
    line = b'{"requests": 10, "duration_us": 2000000, "wrong": %d, "broken": 0, "latency_us": {}, "curve_us": [9]}'
    assert read(b"Running 1s test\n\n" + line % 0 + b"\n").rate == 5
    with pytest.raises(WentWrong, match="3 answers"):
        read(line % 3)
    with pytest.raises(WentWrong, match="unable to connect"):
        read(b"unable to connect to 127.0.0.1:1 Connection refused\n")

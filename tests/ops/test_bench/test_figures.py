"""Percentiles, medians of repeats, and the aims beside them."""

import pytest

from ops.bench.figures import Figure, Report, Row, curve_ms, medians, percentile, percentiles_ms
from ops.bench.targets import rows


def report(*figures: Figure) -> Report:
    """A report of some figures."""
    return Report(at="2026-01-01T00:00:00+00:00", machine={}, settings={}, figures=list(figures))


def figure(name: str, value: float, load: str = "64 shoppers", **fields: object) -> Figure:
    """A figure with a value."""
    return Figure(name=name, load=load, what=name, value=value, values=[value], **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0.1, 1), (10, 1), (10.1, 2), (50, 5), (90, 9), (90.1, 10), (99.9, 10), (100, 10)],
)
def test_a_percentile_is_the_smallest_value_with_that_part_at_or_below_it(
    percent: float, expected: float
) -> None:
    """Nearest rank: always a value that was measured, never one between two."""
    assert percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], percent) == expected


def test_percentiles_need_no_order_and_are_milliseconds() -> None:
    """A slow tail of 1 % is in p99.9 and the maximum, and not in p99."""
    seconds = [0.5] * 10 + [0.001] * 990
    found = percentiles_ms(seconds)
    assert found["p50"] == 1.0
    assert found["p99"] == 1.0
    assert found["p99.9"] == found["max"] == 500.0
    assert percentiles_ms([]) == {}


def test_a_curve_ends_with_the_maximum() -> None:
    """It has as many points as there are values, until there are more than a plot needs."""
    assert curve_ms([0.003, 0.001, 0.002]) == [1.0, 2.0, 3.0]
    long = curve_ms([number / 1000 for number in range(1, 10_001)])
    assert len(long) == 400
    assert long == sorted(long)
    assert long[-1] == 10_000.0


def test_medians_take_each_number_by_itself_and_add_batches_up() -> None:
    """One disturbed round of three changes nothing but the values that are listed."""
    rounds = [
        figure("cart", value, latency_ms={"p50": p50}, cpu_ms={"edge": cpu}, curve_ms=curve, batches={8: 1})
        for value, p50, cpu, curve in (
            (100.0, 5.0, 1.0, [1.0, 2.0, 3.0, 4.0]),
            (10.0, 90.0, 9.0, [9.0, 99.0]),
            (90.0, 6.0, 1.1, [1.0, 2.0, 3.0, 6.0]),
        )
    ]
    middle = medians(rounds)
    assert (middle.value, middle.values) == (90.0, [100.0, 10.0, 90.0])
    assert middle.latency_ms == {"p50": 6.0}
    assert middle.cpu_ms == {"edge": 1.1}
    assert middle.curve_ms == [2.0, 6.0]
    assert middle.batches == {8: 3}


def test_an_aim_is_a_bound_from_below_or_from_above() -> None:
    """Reaching is being on it or on the right side of it; no bound is neither."""
    rate = Row(what="cart", value=1_000, unit="/s", must=1_000, goal=1_600)
    assert (rate.reaches(rate.must), rate.reaches(rate.goal)) == (True, False)
    late = Row(what="p99", value=41, unit="ms", must=40, at_most=True)
    assert (late.reaches(late.must), late.reaches(late.goal)) == (False, None)


def test_ratios_are_to_the_reference_of_the_same_run() -> None:
    """A row stands where both of its figures do, and nowhere else."""
    found = rows(report(figure("detail", 6_000), figure("R1", 12_000), figure("R2 consume", 9_000, load="")))
    assert [(row.what, row.value, row.unit) for row in found] == [("detail to R1", 50.0, "%")]


def test_a_ratio_never_mixes_loads() -> None:
    """With 16 shoppers there is no row for the aim of 64."""
    assert rows(report(figure("detail", 6_000, load="16 shoppers"), figure("R1", 12_000))) == []


def test_flash_is_held_to_the_purchases_of_the_crowd() -> None:
    """And its aim to 60 %."""
    (row,) = [
        row
        for row in rows(
            report(figure("buy", 50), figure("buy", 100, load="16 shoppers"), figure("flash", 40, load=""))
        )
        if row.what.startswith("flash")
    ]
    assert (row.value, row.must, row.goal) == (80.0, 60, 90)

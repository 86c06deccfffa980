"""Figures: what one measurement gave, and the medians of several."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import msgspec

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
SAMPLE_MAX = 400  # points of a latency curve


class WentWrong(Exception):
    """An answer that a benchmark does not expect, or a promise that was broken: its figures would mean nothing."""


class Figure(msgspec.Struct, kw_only=True):
    """One measured thing.

    `name` is the scenario's or the reference's, `load` how it was driven ("64 shoppers", "open, 300/s"), `value` the
    median of `values`, one for each repeat. By part: `cores` is processor time a second (`elsewhere` that of others on
    the machine), `cpu_ms` milliseconds of it for one of what `value` counts, `resident_mb` resident memory at the end.
    `latency_ms` holds percentiles by name (p50 ...), `curve_ms` the same distribution at even steps,
    `resident_over_time_mb` even samples of a long measurement, `batches` how many batches had so many messages, `also`
    further values by what they are.
    """

    name: str
    load: str
    what: str
    value: float
    unit: str = "/s"
    values: list[float] = []
    latency_ms: dict[str, float] = {}
    curve_ms: list[float] = []
    cores: dict[str, float] = {}
    elsewhere: float = 0.0
    cpu_ms: dict[str, float] = {}
    resident_mb: dict[str, float] = {}
    resident_over_time_mb: dict[str, list[float]] = {}
    batches: dict[int, int] = {}
    also: dict[str, float] = {}

    @property
    def key(self) -> str:
        """Names it within a report."""
        return f"{self.name} {self.load}".strip()


class Kept(msgspec.Struct, kw_only=True):
    """One invariant after the run: how often it was found broken."""

    name: str
    violations: int
    skipped: str | None = None


class Report(msgspec.Struct, kw_only=True):
    """One run. `settings` say how it was measured, `counted` what stood in the database afterwards."""

    at: str
    machine: dict[str, str]
    settings: dict[str, Any]
    figures: list[Figure]
    rows: list["Row"] = []
    counted: dict[str, int] = {}
    invariants: list[Kept] = []

    def figure(self, name: str, load: str | None = None) -> Figure | None:
        """The first figure of that name, and of that load where one is given."""
        return next(
            (each for each in self.figures if each.name == name and load in (None, each.load)),
            None,
        )


class Row(msgspec.Struct, kw_only=True):
    """One aim beside what was measured. `must` and `goal` are bounds of `value`, from below unless `at_most`."""

    what: str
    value: float
    unit: str
    must: float
    goal: float | None = None
    at_most: bool = False

    def reaches(self, bound: float | None) -> bool | None:
        """Whether the value is on the right side of a bound; None without one."""
        if bound is None:
            return None
        return self.value <= bound if self.at_most else self.value >= bound


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Of ascending values, by nearest rank: the smallest with at least that percentage at or below it; 0.0 of none."""
    if not ordered:
        return 0.0
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(1, int(rank)) - 1]


def percentiles_ms(latencies_s: Sequence[float]) -> dict[str, float]:
    """Seconds in any order, as milliseconds at the usual percentiles; nothing of nothing."""
    ordered = sorted(latencies_s)
    if not ordered:
        return {}
    return {f"p{percent:g}": percentile(ordered, percent) * 1000 for percent in PERCENTILES} | {
        "max": ordered[-1] * 1000
    }


def curve_ms(latencies_s: Sequence[float]) -> list[float]:
    """The distribution at even steps of the percentage, the maximum last; in milliseconds."""
    ordered = sorted(latencies_s)
    points = min(SAMPLE_MAX, len(ordered))
    return [percentile(ordered, 100 * (point + 1) / points) * 1000 for point in range(points)]


def medians(repeats: Sequence[Figure]) -> Figure:
    """One figure of several of the same thing: the median of each number by itself; batches are added up."""
    first = repeats[0]
    batches: dict[int, int] = {}
    for each in repeats:
        for size, many in each.batches.items():
            batches[size] = batches.get(size, 0) + many
    shortest = min(len(each.curve_ms) for each in repeats)
    return Figure(
        name=first.name,
        load=first.load,
        what=first.what,
        unit=first.unit,
        value=median(each.value for each in repeats),
        values=[each.value for each in repeats],
        latency_ms=_medians([each.latency_ms for each in repeats]),
        curve_ms=[
            median(each.curve_ms[(point + 1) * len(each.curve_ms) // shortest - 1] for each in repeats)
            for point in range(shortest)
        ],
        cores=_medians([each.cores for each in repeats]),
        elsewhere=median(each.elsewhere for each in repeats),
        cpu_ms=_medians([each.cpu_ms for each in repeats]),
        resident_mb=_medians([each.resident_mb for each in repeats]),
        resident_over_time_mb=first.resident_over_time_mb,
        batches=dict(sorted(batches.items())),
        also=_medians([each.also for each in repeats]),
    )


def _medians(maps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: median(each[key] for each in maps if key in each) for key in maps[0]}

"""What the project has set itself for two cores with everything on them, beside what was measured.

Ratios hold on any machine, since their reference was measured in the same run; plain values are meant for 2 cores. A
row stands in the report where everything that it needs was measured.
"""

from collections.abc import Callable, Iterator

from ops.bench.figures import Figure, Report, Row
from ops.bench.scenarios.growth import RATIO
from ops.bench.scenarios.promises import PEAK
from ops.bench.scenarios.soak import GREW
from ops.bench.scenarios.telemetry import OFF, ON

CROWD = "64 shoppers"
GROWN_MB_MAX = 10.0  # what an allocator may still settle between the first half of a soak and its end
Find = Callable[..., Figure | None]


def rows(report: Report) -> list[Row]:
    """Every aim that this report can say something about."""
    return [
        *_rates(report.figure),
        *_ratios(report.figure),
        *_latencies(report),
        *_memory(report),
        *_growth(report),
        *_telemetry(report.figure),
        *_promises(report),
    ]


def _rates(find: Find) -> Iterator[Row]:
    cart, naive, buy = find("cart", CROWD), find("R4"), find("buy", CROWD)
    if cart is not None:
        yield Row(what="cart, 64 shoppers", value=cart.value, unit="/s", must=1_000, goal=1_600)
    if cart is not None and naive is not None:
        yield Row(what="cart to the naive way (R4)", value=cart.value / naive.value, unit="x", must=5)
    if buy is not None:
        yield Row(what="buy, 64 shoppers", value=buy.value, unit="/s", must=130, goal=270)


RATIOS: tuple[tuple[str, str, str | None, str, float, float], ...] = (
    # what, of, at load, to, must, goal (percent)
    ("flash", "flash", None, "buy", 60, 90),
    ("drain", "drain", None, "R2 consume", 30, 45),
    ("accepted by one edge", "accept", CROWD, "R2 publish", 35, 50),
    ("detail", "detail", CROWD, "R1", 50, 70),
    ("list", "list", CROWD, "R1", 40, 60),
)


def _ratios(find: Find) -> Iterator[Row]:
    for what, name, load, reference, must, goal in RATIOS:
        figure, bare = find(name, load), find(reference, CROWD) or find(reference)
        if figure is not None and bare is not None and bare.value:
            percent = 100 * figure.value / bare.value
            yield Row(what=f"{what} to {reference}", value=percent, unit="%", must=must, goal=goal)


def _latencies(report: Report) -> Iterator[Row]:
    cart = next(
        (each for each in report.figures if each.name == "cart" and each.load.startswith("open")), None
    )
    buy = next((each for each in report.figures if each.name == "buy" and each.load.startswith("open")), None)
    if cart is not None:
        for name, must, goal in (("p50", 10, 5), ("p99", 40, 20)):
            what = f"cart, waited for, {cart.load} ({cart.value:.0f}/s): {name}"
            yield Row(what=what, value=cart.latency_ms[name], unit="ms", must=must, goal=goal, at_most=True)
    if buy is not None and (value := buy.also.get("order to confirmed, p99 ms")) is not None:
        what = f"order to confirmed, {buy.load} ({buy.value:.0f}/s): p99"
        yield Row(what=what, value=value, unit="ms", must=250, goal=100, at_most=True)


def _memory(report: Report) -> Iterator[Row]:
    for part, must in (("edge", 120), ("worker", 150)):
        peaks = [
            resident
            for figure in report.figures
            for name, resident in figure.resident_mb.items()
            if name.split()[0] == part
        ]
        if peaks:
            yield Row(what=f"resident memory, {part}", value=max(peaks), unit="MB", must=must, at_most=True)
    for name, must in (("start", 6), ("memory", 250)):
        figure = report.figure(name, "embedded")
        if figure is not None:
            yield Row(what=figure.what, value=figure.value, unit=figure.unit, must=must, at_most=True)
    soak = report.figure("soak")
    if soak is not None:
        for what, grown in soak.also.items():
            if what.endswith(GREW):
                part = what.removesuffix(GREW)
                yield Row(
                    what=f"{part} grew over {soak.load}",
                    value=grown,
                    unit="MB",
                    must=GROWN_MB_MAX,
                    at_most=True,
                )


def _growth(report: Report) -> Iterator[Row]:
    for figure in report.figures:
        if (ratio := figure.also.get(RATIO)) is not None:
            yield Row(what=figure.what, value=ratio, unit="x", must=1.5, at_most=True)


def _telemetry(find: Find) -> Iterator[Row]:
    without, with_all = find("telemetry", OFF), find("telemetry", ON)
    if without is not None and with_all is not None:
        lost = 100 * (1 - with_all.value / without.value)
        yield Row(what="telemetry takes of add-to-cart", value=lost, unit="%", must=10, at_most=True)


def _promises(report: Report) -> Iterator[Row]:
    for figure in report.figures:
        if figure.name == "promises":
            yield Row(what=figure.what, value=figure.value, unit="s", must=30, at_most=True)
            what = f"{figure.what}, at its peak"
            yield Row(what=what, value=figure.also[PEAK], unit="MB", must=300, at_most=True)

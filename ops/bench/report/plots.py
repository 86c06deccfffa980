"""The plots, as SVG that stands within the page."""

import base64
from collections import Counter
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

from ops.bench.figures import Figure, Report

SIZE = (8.5, 4.0)
NINES = (0.0, 50.0, 90.0, 99.0)


def plots(report: Report) -> list[tuple[str, str]]:
    """Title and data URI of each plot that the report has something for."""
    made = (
        ("Latency", _latency, [figure for figure in report.figures if figure.curve_ms and _counts(figure)]),
        ("Throughput against shoppers", _throughput, _by_shoppers(report)),
        ("Batch sizes", _batches, [figure for figure in report.figures if figure.batches]),
        ("Resident memory", _memory, [figure for figure in report.figures if figure.resident_over_time_mb]),
        ("Cores in use", _cores, [figure for figure in report.figures if figure.cores]),
        ("Processor time for one turn", _costs, [figure for figure in report.figures if _costly(figure)]),
    )
    return [(title, _drawn(draw, figures)) for title, draw, figures in made if figures]


def _drawn(draw: Callable[[Any, Sequence[Figure]], None], figures: Sequence[Figure]) -> str:
    picture, axis = plt.subplots(figsize=SIZE, layout="constrained")
    draw(axis, figures)
    axis.spines[["top", "right"]].set_visible(False)
    handles, _ = axis.get_legend_handles_labels()
    if handles:
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False)
    file = BytesIO()
    picture.savefig(file, format="svg", metadata={"Date": None})
    plt.close(picture)
    return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}"


def _counts(figure: Figure) -> bool:
    return not figure.name.startswith("R")


def _costly(figure: Figure) -> bool:
    return any(figure.cpu_ms.values()) and _counts(figure)


def _latency(axis: Any, figures: Sequence[Figure]) -> None:
    for figure in figures:
        points = len(figure.curve_ms)
        axis.plot(figure.curve_ms, [100 * (point + 1) / points for point in range(points)], label=figure.key)
    axis.set(xlabel="milliseconds", ylabel="percent done within", xscale="log", ylim=(0, 101))
    axis.grid(alpha=0.3)


def _by_shoppers(report: Report) -> list[Figure]:
    crowds = [figure for figure in report.figures if "shopper" in figure.load and _counts(figure)]
    several = Counter(figure.name for figure in crowds)
    return [figure for figure in crowds if several[figure.name] > 1]


def _throughput(axis: Any, figures: Sequence[Figure]) -> None:
    for name in dict.fromkeys(figure.name for figure in figures):
        points = sorted((int(each.load.split()[0]), each.value) for each in figures if each.name == name)
        axis.plot(*zip(*points, strict=True), marker="o", label=name)
    axis.set(xlabel="shoppers", ylabel="turns a second", xscale="log", yscale="log")
    ticks = sorted({int(each.load.split()[0]) for each in figures})
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.grid(alpha=0.3)


def _batches(axis: Any, figures: Sequence[Figure]) -> None:
    """How many messages went in batches of at most that size: a message's view of it."""
    for figure in figures:
        total, below = sum(size * many for size, many in figure.batches.items()), 0
        sizes, shares = [], []
        for size, many in sorted(figure.batches.items()):
            below += size * many
            sizes.append(size)
            shares.append(100 * below / total)
        axis.step(sizes, shares, where="post", label=figure.key)
    axis.set(xlabel="messages in a batch", ylabel="percent of messages in batches up to that", xscale="log")
    axis.grid(alpha=0.3)


def _cores(axis: Any, figures: Sequence[Figure]) -> None:
    _stacked(axis, figures, [figure.cores for figure in figures])
    axis.set(xlabel="cores")


def _costs(axis: Any, figures: Sequence[Figure]) -> None:
    _stacked(axis, figures, [figure.cpu_ms for figure in figures])
    axis.set(xlabel="milliseconds of processor time")


def _memory(axis: Any, figures: Sequence[Figure]) -> None:
    for figure in figures:
        for part, values in figure.resident_over_time_mb.items():
            along = [100 * (number + 1) / len(values) for number in range(len(values))]
            axis.plot(along, values, label=part)
    axis.set(xlabel=f"percent of {figures[0].load}", ylabel="MB", ylim=(0, None))
    axis.grid(alpha=0.3)


def _stacked(axis: Any, figures: Sequence[Figure], values: Sequence[dict[str, float]]) -> None:
    names, left = [figure.key for figure in figures], [0.0] * len(figures)
    for part in dict.fromkeys(part for each in values for part in each):
        widths = [each.get(part, 0.0) for each in values]
        axis.barh(names, widths, left=left, label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axis.invert_yaxis()
    axis.tick_params(axis="y", labelsize="small")

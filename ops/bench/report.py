"""The report: a table for the screen, JSON for comparisons, plots for people."""

from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table


class Figure(msgspec.Struct, kw_only=False):
    """One measured figure, its aim if it has one, and what stands behind it.

    `cores` is processor time per second by part; `resident` bytes by part; `latencies_ms` an ordered sample.
    """

    name: str
    what: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    latency_ms: dict[str, float] = {}
    cores: dict[str, float] = {}
    resident: dict[str, int] = {}
    latencies_ms: list[float] = []

    @property
    def reached(self) -> bool | None:
        """Whether it reached its aim; None without one."""
        if self.at_least is not None:
            return self.value >= self.at_least
        if self.at_most is not None:
            return self.value <= self.at_most
        return None


class Report(msgspec.Struct):
    """One run."""

    at: str
    machine: str
    senders: int
    seconds: float
    figures: list[Figure]
    checks: dict[str, int]


def write(report: Report, out: Path, console: Console) -> None:
    """Prints the table and writes `report.json` and the plots to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    console.print(_table(report))
    counted = ", ".join(f"{value} {name}" for name, value in report.checks.items())
    console.print(
        f"Checked afterwards: stock equals its ledger and the open orders; {counted}.", highlight=False
    )
    plots = _plot(report, out)
    console.print(f"Written to {out}: report.json{''.join(f', {name}' for name in plots)}", highlight=False)


def _table(report: Report) -> Table:
    table = Table(title=f"{report.senders} shoppers, {report.seconds:g} s each, {report.machine}")
    for column in ("what", "measured", "aim", "p50 ms", "p90 ms", "p99 ms", "cores"):
        table.add_column(column, justify="left" if column in ("what", "cores") else "right")
    for figure in report.figures:
        mark = {True: "[green]", False: "[red]", None: ""}[figure.reached]
        aim = (
            f"≥ {figure.at_least:g}" if figure.at_least else f"≤ {figure.at_most:g}" if figure.at_most else ""
        )
        latencies = (
            f"{figure.latency_ms[name]:.1f}" if figure.latency_ms else "" for name in ("p50", "p90", "p99")
        )
        cores = ", ".join(f"{part} {share:.2f}" for part, share in figure.cores.items())
        table.add_row(figure.what, f"{mark}{figure.value:.1f} {figure.unit}", aim, *latencies, cores)
    return table


def _plot(report: Report, out: Path) -> list[str]:
    """One picture of latencies and processor time; without matplotlib (a development tool) there is none."""
    try:
        import matplotlib as mpl  # noqa: PLC0415
    except ImportError:
        return []
    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    loads = [figure for figure in report.figures if figure.latencies_ms]
    picture, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for figure in loads:
        many = len(figure.latencies_ms)
        left.plot(figure.latencies_ms, [100 * (rank + 1) / many for rank in range(many)], label=figure.name)
    left.set(xlabel="milliseconds", ylabel="percent done within", xscale="log", title="Latency")
    left.legend()
    _stack(right, loads)
    picture.savefig(out / "report.svg")
    plt.close(picture)
    return ["report.svg"]


def _stack(axis: Any, loads: list[Figure]) -> None:
    bottom = [0.0] * len(loads)
    for part in loads[0].cores if loads else ():
        shares = [figure.cores[part] for figure in loads]
        axis.bar([figure.name for figure in loads], shares, bottom=bottom, label=part)
        bottom = [below + share for below, share in zip(bottom, shares, strict=True)]
    axis.set(ylabel="cores", title="Processor time by part")
    axis.legend()

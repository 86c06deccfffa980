"""The report on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ops.bench.figures import Figure, Report, Row
from ops.bench.gate import Compared
from ops.bench.report.words import amount, bound, latencies, title


def show(report: Report, console: Console) -> None:
    """Figures, aims, and what was checked."""
    console.print(_figures(report.figures, title(report)))
    if any(figure.cores for figure in report.figures):
        console.print(_processors(report.figures))
    if report.rows:
        console.print(_aims(report.rows))
    for figure in report.figures:
        if figure.also:
            said = ", ".join(f"{what} {amount(value)}" for what, value in figure.also.items())
            console.print(f"{figure.key}: {said}", highlight=False)
    if report.invariants:
        counted = ", ".join(f"{many:,} {name}" for name, many in report.counted.items())
        console.print(
            f"{len(report.invariants)} promises checked afterwards, all kept: {counted}.", highlight=False
        )


def _figures(figures: Sequence[Figure], name: str) -> Table:
    table = Table(title=name)
    for column in ("what", "load"):
        table.add_column(column)
    several = any(len(each.values) > 1 for each in figures)
    spreads = ("from", "to") if several else ()
    for column in ("measured", *spreads, "p50 ms", "p90 ms", "p99 ms", "others"):
        table.add_column(column, justify="right")
    for each in figures:
        spread = (amount(min(each.values)), amount(max(each.values))) if several else ()
        table.add_row(
            each.name,
            each.load,
            f"{amount(each.value)} {each.unit}",
            *spread,
            *latencies(each, "p50", "p90", "p99"),
            f"{each.elsewhere:.2f}",
        )
    return table


def _processors(figures: Sequence[Figure]) -> Table:
    """Milliseconds of processor time for one turn, by part; the page has the cores in use too."""
    parts = list(dict.fromkeys(part for figure in figures for part in figure.cores))
    table = Table(title="milliseconds of processor time for one")
    for column in ("what", "load", *parts):
        table.add_column(column, justify="left" if column in ("what", "load") else "right")
    for each in figures:
        if each.cores:
            costs = (f"{each.cpu_ms[part]:.2f}" if part in each.cpu_ms else "" for part in parts)
            table.add_row(each.name, each.load, *costs)
    return table


def _aims(rows: Sequence[Row]) -> Table:
    table = Table(title="aims, for 2 cores with everything on them")
    for column in ("aim", "measured", "must", "goal"):
        table.add_column(column, justify="left" if column == "aim" else "right")
    for row in rows:
        color = "green" if row.reaches(row.must) else "red"
        table.add_row(
            row.what,
            f"[{color}]{amount(row.value)} {row.unit}[/]",
            bound(row, row.must),
            bound(row, row.goal),
        )
    return table


def show_gate(compared: Sequence[Compared], console: Console) -> None:
    """Each comparison, those that fail in red."""
    table = Table(title="against what is kept")
    for column in ("what", "kept", "now", "lost"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for each in compared:
        color = "green" if each.passes else "red"
        table.add_row(each.what, f"{each.kept:.3g}", f"{each.now:.3g}", f"[{color}]{each.loss:+.0%}[/]")
    console.print(table)

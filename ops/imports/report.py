"""What became of an import's rows, for people."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.routes.imports import ImportView

SHOWN_MAX = 20  # skipped rows on the screen where a report file holds them all


def print_report(view: ImportView, console: Console, report: Path | None = None) -> None:
    """What became of the rows, as tables. Every skipped row is named, unless a report file names them all."""
    table = Table(title=f"Import of {view.filename}", title_justify="left")
    table.add_column("rows")
    table.add_column("how many", justify="right")
    for name in ("added", "changed", "unchanged", "rejected", "failed"):
        table.add_row(name, f"{getattr(view, name):,}")
    table.add_row("skipped", f"{view.skipped_count:,}")
    console.print(table)
    shown = view.skipped[:SHOWN_MAX] if report is not None else view.skipped
    for row in shown:
        console.print(Text(f"line {row.line}: {row.reason}"), highlight=False, soft_wrap=True)
    if len(shown) < view.skipped_count:
        where = f": {report}" if report is not None else f" are not kept: {view.skipped_count} in all"
        console.print(f"… and {view.skipped_count - len(shown):,} more{where}", highlight=False)
    for problem in view.problems:
        console.print(
            Text(f"{problem.isbn}: {problem.code}: {problem.detail}"), highlight=False, soft_wrap=True
        )

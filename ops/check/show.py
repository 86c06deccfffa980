"""A report as people read it."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.check.findings import Report, Result


def show(report: Report, console: Console) -> None:
    """The table of invariants, then what was found, and what was not looked at."""
    counted = ", ".join(f"{number:,} {what}" for what, number in sorted(report.counted.items()))
    console.print(
        f"{escape(report.database)} at {report.at:%F %T}Z: {counted or 'nothing in it'}", highlight=False
    )
    table = Table()
    for column in ("invariant", "promise", "broken", "notices"):
        table.add_column(column, justify="right" if column in ("broken", "notices") else "left")
    for result in report.results:
        broken = (
            "not checked"
            if result.skipped
            else f"[red]{result.violations:,}[/]"
            if result.violations
            else "0"
        )
        table.add_row(result.name, result.promise, broken, f"{result.notices:,}" if result.notices else "")
    console.print(table)
    for result in report.results:
        _show_findings(result, console)
    for remark in report.remarks:
        console.print(f"[yellow]![/] {escape(remark)}", highlight=False, soft_wrap=True)
    unseen = f", not looked at: {', '.join(report.unseen)}" if report.unseen else ""
    if report.violations:
        verdict = f"[bold red]{report.violations:,} violations[/]{unseen}"
    elif report.unseen:
        verdict = f"[bold yellow]What was looked at holds[/]{unseen}"
    else:
        verdict = "[bold green]Every promise holds[/]"
    console.print(f"{verdict}, {report.seconds:.1f} s", highlight=False, soft_wrap=True)


def _show_findings(result: Result, console: Console) -> None:
    for mark, listed, total in (
        ("[red]✗[/]", result.listed, result.violations),
        ("[yellow]![/]", result.noticed, result.notices),
    ):
        for finding in listed:
            console.print(
                f"{mark} {result.name} {escape(finding.id)}: {escape(finding.detail)}",
                highlight=False,
                soft_wrap=True,
            )
        if total > len(listed):
            console.print(f"{mark} {result.name}: and {total - len(listed):,} more", highlight=False)
    if result.unseen:
        console.print(f"[yellow]![/] {result.name}: {escape(result.unseen)}", highlight=False, soft_wrap=True)

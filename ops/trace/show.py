"""A trace as people read it: a tree in the order of time, times relative to the first step."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ops.trace.steps import Kind, Step, Trace

STYLES = {"failed": "red", "dropped": "red", "rejected": "yellow", "pending": "yellow", "replayed": "yellow"}
MARKS = {
    Kind.MESSAGE: "✉",
    Kind.RECEIPT: "✓",
    Kind.STATE: "◆",
    Kind.STOCK: "▤",
    Kind.CHARGE: "€",
    Kind.MAIL: "@",
    Kind.OUTBOX: "…",
    Kind.WAITING: "…",
    Kind.DEAD: "✗",
    Kind.FAILURE: "✗",
    Kind.DEED: "✎",
}
ID_SHOWN = 12  # characters of a message's id; --json has all of it


def show(trace: Trace, console: Console) -> None:
    """One line a step."""
    began = trace.began
    console.print(
        f"Order {escape(trace.order_id)} is [bold]{trace.status}[/]; correlation {escape(trace.correlation_id or '-')},"
        f" from {began:%F %T}Z",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("after", justify="right")
    table.add_column("what")
    table.add_column("status")
    table.add_column("detail", overflow="fold")
    for depth, step in trace.walk():
        style = "red" if step.kind is Kind.DEAD else STYLES.get(step.status, "")
        status = f"[{style}]{escape(step.status)}[/]" if style else escape(step.status)
        after = f"{(step.at - began).total_seconds():+,.3f} s"
        table.add_row(
            after, f"{'  ' * depth}{MARKS[step.kind]} {escape(step.what)}", status, escape(_told(step))
        )
    console.print(table)
    for remark in trace.remarks:
        console.print(f"[yellow]![/] {escape(remark)}", highlight=False, soft_wrap=True)


def _told(step: Step) -> str:
    """A step's details, in words."""
    detail = step.detail
    if step.kind is Kind.MESSAGE:
        return f"{detail['id'][:ID_SHOWN]} from {detail['sender'] or 'unknown'}"
    if step.kind is Kind.RECEIPT:
        return _told_of_receipt(detail)
    if step.kind is Kind.DEAD:
        return f"{_attempts(detail['attempts'])} in {detail['origin']}: {detail['error']}"
    if step.kind is Kind.STOCK:
        return f"on hand {detail['on_hand']:+}, reserved {detail['reserved']:+}"
    if step.kind is Kind.FAILURE:
        return str(detail["failure"])
    if step.kind is Kind.DEED:
        return _told_of_deed(detail)
    if step.kind is Kind.STATE:
        detail = {name: value for name, value in detail.items() if name != "cause"}  # it stands above
    return ", ".join(f"{name} {value}" for name, value in detail.items() if value not in (None, ""))


def _told_of_receipt(detail: dict[str, Any]) -> str:
    problem = detail.get("problem") or {}
    parts = [_attempts(detail["attempts"]), problem.get("code"), problem.get("reason")]
    if detail.get("supersedes") is not None:
        parts.append(f"took the place of the failure at {detail['supersedes']:%F %T}Z")
    return ", ".join(str(part) for part in parts if part)


def _told_of_deed(detail: dict[str, Any]) -> str:
    """Who and why; of a letter that was dropped also what it told."""
    who = f"by {detail['by'] or 'somebody whom the audit does not name'}"
    why = f": {detail['why']}" if detail["why"] else ""
    if "run" in detail:
        why = f"; it ended early{why}" if why else ""
        forced = ", forced" if detail["selection"].get("forced") else ""
        return f"{who}, run {detail['run'][:ID_SHOWN]}{forced}{why}"
    failed = f"{detail['reason']} after {_attempts(detail['attempts'])} in {detail['origin']}"
    return f"{who}{why}; {failed}: {detail['error']}"


def _attempts(number: int) -> str:
    return "1 attempt" if number == 1 else f"{number} attempts"

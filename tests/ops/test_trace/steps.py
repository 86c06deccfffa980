"""A trace's steps, as tests look at them."""

from io import StringIO
from typing import Any

from rich.console import Console

from ops.trace import Trace, show, trace
from tests.ops.test_check.conftest import Database


async def steps_of(database: Database, order: str) -> list[dict[str, Any]]:
    """The steps as --json has them."""
    steps: list[dict[str, Any]] = (await trace(database, order)).plain()["steps"]
    return steps


def above(steps: list[dict[str, Any]], step: dict[str, Any]) -> dict[str, Any] | None:
    """The step that this one stands beneath."""
    before = steps[: steps.index(step)]
    return next((each for each in reversed(before) if each["depth"] == step["depth"] - 1), None)


def printed(found: Trace) -> str:
    """A trace as people read it."""
    console = Console(width=400, file=StringIO())
    show(found, console)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    return text

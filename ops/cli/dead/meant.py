"""Which letters are meant: the options, and what the edge is asked for."""

import re
from datetime import datetime
from typing import Annotated, Any

import typer

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")

Group = Annotated[str | None, typer.Option(help="Only of this group.")]
CauseOption = Annotated[
    str | None, typer.Option(help="Only of this cause: its id, or a reason such as 'handler raised'.")
]
Type = Annotated[str | None, typer.Option(help="Only messages of this type.")]
Older = Annotated[
    str | None,
    typer.Option("--older-than", help="Failed longer ago than this: 30s, 10m, 2h, 7d.", metavar="AGE"),
]
Newer = Annotated[
    str | None, typer.Option("--newer-than", help="Failed within this: 30s, 10m, 2h, 7d.", metavar="AGE")
]
Before = Annotated[
    str | None, typer.Option(help="The cut-off: failed before this time (ISO 8601).", metavar="TIME")
]
One = Annotated[str | None, typer.Argument(help="A letter's id, or a message's.", show_default=False)]


def selection(
    group: str | None,
    cause: str | None,
    type_: str | None,
    older: str | None,
    newer: str | None,
    before: str | None,
    name: str | None = None,
) -> dict[str, Any]:
    """What was asked for, as the edge takes it; an id that was given is one."""
    asked = {
        "group": group,
        "cause": cause,
        "type": type_,
        "id": id_of(name) if name is not None else None,
        "older_than_s": _seconds("--older-than", older),
        "newer_than_s": _seconds("--newer-than", newer),
        "before": _time(before),
    }
    return {field: value for field, value in asked.items() if value is not None}


def id_of(text: str) -> str:
    """An id. Nothing at all is none, nor are dots: a path would not lead to a letter."""
    if not text.strip(" ."):
        raise typer.BadParameter(f"{text!r} is no id: `quire dead ls --letters` has them", param_hint="ID")
    return text


def _seconds(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    match = AGE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no age: 30s, 10m, 2h, 7d", param_hint=option)
    return float(match[1]) * UNITS_S[match[2]]


def _time(text: str | None) -> str | None:
    """A time with a zone; one without is this machine's."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time: 2026-11-02T12:00", param_hint="--before") from error

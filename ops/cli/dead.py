"""`quire dead`: what could not be processed, seen, replayed and dropped.

All of it is asked of the edge over HTTP, so it works for the embedded broker as for a RabbitMQ elsewhere.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from rich.markup import escape
from rich.table import Table

from ops.cli.common import DEFAULT_DATA, Data, Url, console, errors, explained
from ops.cli.shop import Token

dead = typer.Typer(no_args_is_help=True)

PATH = "/v1/admin/dead"
PATIENCE_S = 600.0  # ten thousand letters take a minute
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
LISTED = 1000
STAYS = {
    "superseded": "their actor has moved on since: only with --force",
    "expired": "older than receipts are kept, so nobody can tell whether they were processed: only with --force",
    "cut": "the letter could not keep its whole body: it can only be dropped",
}
SETTLED = "processed already: the letter goes, and nothing else happens"

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
Json = Annotated[bool, typer.Option("--json", help="For machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


class DeadFailed(OSError):
    """The edge does not answer, or says no; the text says what to do."""


@dead.command("ls")
@explained
def ls(
    *,
    group: Group = None,
    cause: CauseOption = None,
    type: Type = None,  # noqa: A002 - the option's name
    older: Older = None,
    newer: Newer = None,
    before: Before = None,
    letters: Annotated[bool, typer.Option("--letters", help="The letters one by one, too.")] = False,
    as_json: Json = False,
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
) -> None:
    """What stands there, grouped by cause."""
    asked = {**_selection(group, cause, type, older, newer, before), "limit": LISTED if letters else 0}
    with _client(data, url, token) as client:
        found = _asked(client, "GET", PATH, params=asked)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name in found["truncated"]:
        errors.print(f"{name} has more letters than one look reads: these are the oldest.")
    if not found["causes"]:
        console.print(
            "No dead letters." if not any(found["groups"].values()) else "None of the dead letters is meant."
        )
        return
    table = Table("cause", "count", "group", "message", "reason", "error", "oldest", "newest")
    for each in found["causes"]:
        names = (each["id"], str(each["count"]), each["group"], each["type"], each["reason"], each["error"])
        table.add_row(*(escape(name) for name in names), _ago(each["oldest"]), _ago(each["newest"]))
    console.print(table)
    if letters:
        console.print(_letters_table(found["letters"]))


@dead.command("show")
@explained
def show(
    name: Annotated[str, typer.Argument(help="A letter's id, or a message's.", metavar="ID")],
    as_json: Json = False,
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
) -> None:
    """A letter in full: what happened to it, its headers, its message."""
    with _client(data, url, token) as client:
        items = _asked(client, "GET", f"{PATH}/{quote(name, safe='')}")["items"]
    if as_json:
        print(json.dumps(items, indent=2))
        return
    for each in items:
        table = Table(title=f"{each['type']} {each['message_id']}", show_header=False, title_justify="left")
        for field in ("id", "group", "actor", "origin", "reason", "error", "attempts", "replays", "standing"):
            table.add_row(field, escape(str(each[field])))
        for field in ("accepted_at", "first_failed_at", "last_failed_at", "sender", "correlation_id"):
            table.add_row(field.replace("_", " "), escape(str(each[field] or "")))
        console.print(table)
        console.print("[bold]What happened[/]")
        for line in each["story"]:
            console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
        console.print("[bold]Headers[/]")
        console.print_json(data=each["headers"])
        console.print("[bold]Message[/]")
        console.print_json(data=each["body"])


@dead.command("replay")
@explained
def replay(
    *,
    name: One = None,
    group: Group = None,
    cause: CauseOption = None,
    type: Type = None,  # noqa: A002 - the option's name
    older: Older = None,
    newer: Newer = None,
    before: Before = None,
    force: Annotated[
        bool, typer.Option("--force", help="Those too whose actor has moved on, or that are too old.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
) -> None:
    """Sends letters round again: those that stand there now, in their order."""
    body = {**_selection(group, cause, type, older, newer, before, name), "force": force}
    with _client(data, url, token) as client:
        _run(client, "replay", body, dry_run=dry_run, yes=yes, as_json=as_json)


@dead.command("drop")
@explained
def drop(
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with each letter.")],
    name: One = None,
    group: Group = None,
    cause: CauseOption = None,
    type: Type = None,  # noqa: A002 - the option's name
    older: Older = None,
    newer: Newer = None,
    before: Before = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
) -> None:
    """Drops letters for good; the audit keeps them whole."""
    body = {**_selection(group, cause, type, older, newer, before, name), "reason": reason}
    with _client(data, url, token) as client:
        _run(client, "drop", body, dry_run=dry_run, yes=yes, as_json=as_json)


def _run(
    client: httpx.Client, deed: str, body: Mapping[str, Any], *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Looks first, asks, and then does it to what was seen and nothing newer."""
    done = _asked(client, "POST", f"{PATH}/{deed}", json={**body, "dry_run": True})
    if not dry_run and done["done"]:
        if not yes:
            if not as_json:
                _tell(deed, done)
            typer.confirm(f"{deed.capitalize()} {_letters(done['done'])}?", abort=True, err=True)
        cut_off = {"before": body.get("before") or done["as_of"]}
        done = _asked(client, "POST", f"{PATH}/{deed}", json={**body, **cut_off})
    if as_json:
        print(json.dumps(done, indent=2))
    else:
        _tell(deed, done)
    if done["stopped"]:
        errors.print(f"[bold red]quire:[/] it stopped early: {escape(done['stopped'])}", highlight=False)
        raise typer.Exit(1)


def _tell(deed: str, done: Mapping[str, Any]) -> None:
    past = {"replay": "replayed", "drop": "dropped"}[deed]
    verb = f"would be {past}" if done["dry_run"] else past
    console.print(f"{_letters(done['matched'])} meant, {done['done']} {verb}.", highlight=False)
    if deed == "replay":
        for standing, count in done["standings"].items():
            if standing in STAYS and done["done"] < done["matched"]:
                console.print(f"  {count} {standing}: {STAYS[standing]}", highlight=False, soft_wrap=True)
            elif standing == "settled":
                console.print(f"  {count} {standing}: {SETTLED}", highlight=False, soft_wrap=True)
    for name in done["truncated"]:
        console.print(f"  {name} has more letters than one run reads: run it again.")
    if done["dry_run"] and done["letters"]:
        console.print(_letters_table(done["letters"]))


def _letters(count: int) -> str:
    return "1 letter" if count == 1 else f"{count} letters"


def _letters_table(letters: list[dict[str, Any]]) -> Table:
    table = Table("letter", "failed", "group", "message", "id", "actor", "error")
    for each in letters:
        names = (
            each["group"],
            each["type"],
            each["message_id"],
            each["actor"],
            each["error"].partition("\n")[0],
        )
        table.add_row(each["id"], _ago(each["last_failed_at"]), *(escape(name) for name in names))
    return table


def _ago(at: str | None) -> str:
    """How long ago, in the largest unit that fits."""
    if at is None:
        return "unknown"
    seconds = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())
    unit = next((unit for unit in "dhm" if seconds >= UNITS_S[unit]), "s")
    return f"{int(seconds // UNITS_S[unit])} {unit} ago"


def _selection(
    group: str | None,
    cause: str | None,
    type_: str | None,
    older: str | None,
    newer: str | None,
    before: str | None,
    name: str | None = None,
) -> dict[str, Any]:
    """What was asked for, as the edge takes it."""
    asked = {
        "group": group,
        "cause": cause,
        "type": type_,
        "id": name,
        "older_than_s": _seconds("--older-than", older),
        "newer_than_s": _seconds("--newer-than", newer),
        "before": _time(before),
    }
    return {field: value for field, value in asked.items() if value is not None}


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


def _client(data: Data, url: str | None, token: str | None) -> httpx.Client:
    """A client with the operator's token, of the instance on that folder or of `--url`."""
    from ops.instance import find

    if url is None:
        instance = find(data)
        url, token = instance.url, instance.operator_token
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token or ''}"}, timeout=PATIENCE_S)


def _asked(client: httpx.Client, method: str, path: str, **options: Any) -> dict[str, Any]:
    """The edge's answer. Raises `DeadFailed`."""
    try:
        response = client.request(method, path, **options)
    except httpx.HTTPError as error:
        raise DeadFailed(f"{client.base_url} does not answer: {error}") from error
    try:
        body: dict[str, Any] = response.json()
    except ValueError as error:
        raise DeadFailed(
            f"{client.base_url} answered {response.status_code}, and not as Quire does"
        ) from error
    if response.is_error:
        raise DeadFailed(f"{body.get('detail', response.status_code)} ({body.get('code')})")
    return body

"""`quire dead`: what could not be processed, seen, replayed and dropped.

All of it is asked of the edge over HTTP, so it works for the embedded broker as for a RabbitMQ elsewhere.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Column, Table

from ops.cli.common import DEFAULT_DATA, Data, Url, console, errors, explained
from ops.cli.dead.asking import ask, client_of
from ops.cli.dead.meant import Before, CauseOption, Group, Newer, Older, One, Type, id_of, selection
from ops.cli.dead.telling import ago, counted, letters_table, tell
from ops.cli.shop import Token

if TYPE_CHECKING:
    from httpx import Client

dead = typer.Typer(no_args_is_help=True)
PATH = "/v1/admin/dead"
LISTED = 1000
Json = Annotated[bool, typer.Option("--json", help="For machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


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
    asked = {**selection(group, cause, type, older, newer, before), "limit": LISTED if letters else 0}
    with client_of(data, url, token) as client:
        found = ask(client, "GET", PATH, params=asked)
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
    others = ("count", "group", "message", "reason", "error", "oldest", "newest")
    table = Table(Column("cause", no_wrap=True, min_width=8), *others)
    for each in found["causes"]:
        names = (each["id"], str(each["count"]), each["group"], each["type"], each["reason"], each["error"])
        table.add_row(*(escape(name) for name in names), ago(each["oldest"]), ago(each["newest"]))
    console.print(table)
    if letters:
        console.print(letters_table(found["letters"]))


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
    with client_of(data, url, token) as client:
        items = ask(client, "GET", f"{PATH}/{quote(id_of(name), safe='')}")["items"]
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
    body = {**selection(group, cause, type, older, newer, before, name), "force": force}
    with client_of(data, url, token) as client:
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
    body = {**selection(group, cause, type, older, newer, before, name), "reason": reason}
    with client_of(data, url, token) as client:
        _run(client, "drop", body, dry_run=dry_run, yes=yes, as_json=as_json)


def _run(
    client: "Client", deed: str, body: Mapping[str, Any], *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Looks first, asks, and then does it to what was seen and to nothing that arrived after it."""
    done = ask(client, "POST", f"{PATH}/{deed}", json={**body, "dry_run": True})
    if not dry_run and done["done"]:
        if not yes:
            if not as_json:
                tell(deed, done)
            typer.confirm(f"{deed.capitalize()} {counted(done['done'])}?", abort=True, err=True)
        more = done["truncated"]  # behind what was seen, so that the run itself does not see them
        done = ask(client, "POST", f"{PATH}/{deed}", json={**body, "seen": done["seen"]})
        done["truncated"] = more
    elif not dry_run:
        done = {**done, "dry_run": False, "seen": None}  # there was nothing to do, and that is done
    if as_json:
        print(json.dumps(done, indent=2))
    else:
        tell(deed, done)
    if done["stopped"]:
        errors.print(f"[bold red]quire:[/] it stopped early: {escape(done['stopped'])}", highlight=False)
        raise typer.Exit(1)

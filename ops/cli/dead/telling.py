"""Letters and what was done with them, on the screen."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from ops.cli.common import console
from ops.cli.dead.meant import UNITS_S

STAYS = {
    "superseded": "their actor has moved on since: only with --force",
    "expired": "older than receipts are kept, so nobody can tell whether they were processed: only with --force",
    "cut": "the letter could not keep its whole body: it can only be dropped",
}
SETTLED = "their receipts tell of something later (processed, or failed anew): the letters go, and nothing else happens"


def tell(deed: str, done: Mapping[str, Any]) -> None:
    """What a run did, or would do, and what it left and why."""
    past = {"replay": "replayed", "drop": "dropped"}[deed]
    verb = f"would be {past}" if done["dry_run"] else past
    console.print(f"{counted(done['matched'])} meant, {done['done']} {verb}.", highlight=False)
    if deed == "replay":
        for standing, count in done["stays"].items():
            console.print(f"  {count} {standing}: {STAYS[standing]}", highlight=False, soft_wrap=True)
        if settled := done["standings"].get("settled"):
            console.print(f"  {settled} settled: {SETTLED}", highlight=False, soft_wrap=True)
    for name in done["truncated"]:
        console.print(f"  {name} has more letters than one run reads: run it again.")
    if done["dry_run"] and done["letters"]:
        console.print(letters_table(done["letters"]))


def counted(count: int) -> str:
    """So many of them."""
    return "1 letter" if count == 1 else f"{count} letters"


def letters_table(letters: list[dict[str, Any]]) -> Table:
    """The letters one by one. Their ids are whole at any width: they are given to other commands."""
    table = Table(
        Column("letter", no_wrap=True, min_width=16),
        *(Column(name, overflow="fold") for name in ("failed", "group", "message", "id", "actor", "error")),
    )
    for each in letters:
        names = (
            each["group"],
            each["type"],
            each["message_id"],
            each["actor"],
            each["error"].partition("\n")[0],
        )
        table.add_row(each["id"], ago(each["last_failed_at"]), *(escape(name) for name in names))
    return table


def ago(at: str | None) -> str:
    """How long ago, in the largest unit that fits."""
    if at is None:
        return "unknown"
    seconds = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())
    unit = next((unit for unit in "dhm" if seconds >= UNITS_S[unit]), "s")
    return f"{int(seconds // UNITS_S[unit])} {unit} ago"

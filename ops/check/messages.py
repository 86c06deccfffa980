"""Messages: each has its outcome, none is left behind, and what could not be processed stands where it can be read."""

from collections.abc import AsyncIterator

from broker.dead import LAST
from broker.letters.letter import time_of
from broker.outbox import LEASE, derived_id
from broker.topology import BY_NAME, GROUPS, RETRY_TIERS
from documents.audit import AuditEntry, Deed
from documents.operations import RECEIPT_LIFETIME, Outcome
from ops.check.excuses import Dead, Told, dead_of, letter_key, told
from ops.check.findings import Finding
from ops.check.view import Row, View, chunks

SECOND_STEPS = {"MergeCart": ("AbsorbCart", "carts"), "DispatchShipment": ("ShipmentDispatched", "orders")}
THIRD_STEP = "ReopenCart"  # of a merge whose second step was refused and handed the operation on


async def receipts_end(view: View) -> AsyncIterator[Finding]:
    """Every receipt is terminal; a pending one has its next step under way."""
    where = {"status": Outcome.PENDING.value}
    fields = ("message_id", "type", "key", "at")
    async for chunk in chunks(view.find("receipts", where, fields)):
        steps = {row["_id"]: _second_step(row) for row in chunk}
        known = await view.known("receipts", _receipts(steps), "handed_on")
        for name, (step, group) in steps.items():
            if known.get(f"{group}/{step}", {}).get("handed_on"):
                steps[name] = (derived_id(step, THIRD_STEP, 0), group)
        known = await view.known("receipts", _receipts(steps), "status")
        sent = {
            row["message_id"]
            async for row in view.find(
                "outbox", {"message_id": {"$in": [step for step, _ in steps.values()]}}, ("message_id",)
            )
        }
        for row in chunk:
            step, group = steps[row["_id"]]
            ended = known.get(f"{group}/{step}")
            if ended is not None and ended["status"] != Outcome.PENDING.value:
                yield Finding(row["_id"], f"pending, and its next step {group}/{step} is {ended['status']}")
            elif view.late(row["at"]) and step not in sent:
                waits = view.waits(group, (step,), row["at"])
                detail = f"pending since {row['at']:%F %T}Z, and its next step {group}/{step} is nowhere"
                if waits:
                    detail = f"pending since {row['at']:%F %T}Z; messages wait for {group}"
                yield Finding(row["_id"], detail, notice=waits)


def _receipts(steps: dict[str, tuple[str, str]]) -> list[str]:
    return [f"{group}/{step}" for step, group in steps.values()]


def _second_step(row: Row) -> tuple[str, str]:
    """Message id and group of what ends a pending receipt's operation."""
    type_, group = SECOND_STEPS.get(row["type"], ("", row["_id"].partition("/")[0]))
    return derived_id(row["message_id"], type_, 0), group


async def outbox_leaves(view: View) -> AsyncIterator[Finding]:
    """What a transaction decided to send is sent: no row outlives its first lease by more than the grace period."""
    due = view.now - LEASE - view.settle
    async for row in view.find(
        "outbox",
        {"created_at": {"$lt": due}},
        ("type", "message_id", "created_at", "exchange", "routing_key"),
    ):
        where = row["routing_key"] if not row["exchange"] else f"{row['exchange']} {row['routing_key']}"
        yield Finding(
            row["_id"], f"{row['type']} {row['message_id']} for {where}, since {row['created_at']:%F %T}Z"
        )


async def queues_drain(view: View) -> AsyncIterator[Finding]:
    """Work queues are worked off, and nothing stays unacked; what waits for its next attempt is a notice."""
    for queue in view.never_empty:
        waiting = view.waiting[queue]
        unacked = "" if waiting.unacked is None else f", {waiting.unacked} unacked"
        yield Finding(queue, f"{waiting.ready} messages{unacked}, and never empty while it was watched")
    for group in GROUPS:
        for tier in RETRY_TIERS:
            queue = group.retry(tier)
            if queue in view.waiting and view.waiting[queue].total:
                detail = f"{view.waiting[queue].total} messages wait for their next attempt"
                yield Finding(queue, detail, notice=True)


async def letters_explain(view: View) -> AsyncIterator[Finding]:
    """What failed stands in a dead-letter queue or in the log of what staff did with it; nothing else stands there."""
    for dead in view.dead.values():
        if dead.unread is not None:
            view.unseen.setdefault("letter-receipt", []).append(f"{dead.group.dead}: {dead.unread}")
            continue
        doubled: set[bytes] = set()
        async for letters in chunks(_letters(dead, view)):
            for finding in await _unexplained(letters, dead, doubled, view):
                yield finding
    async for finding in _unlettered(view):
        yield finding


async def _letters(dead: Dead, view: View) -> AsyncIterator[Told]:
    if dead.letters is None:
        assert view.broker is not None
        async for letter in view.broker.letters(dead.group):
            yield told(letter)
    else:
        for each in dead.letters:
            yield each


async def _unexplained(letters: list[Told], dead: Dead, doubled: set[bytes], view: View) -> list[Finding]:
    """Letters that no failed receipt belongs to; those that are one too many, or out of date, are notices.

    A letter can double: its relay may die between the broker's word and its own note.
    """
    group = dead.group
    known = await view.known(
        "receipts", {f"{group.name}/{each.message_id}" for each in letters}, "status", "at"
    )
    found = []
    for letter in letters:
        receipt = known.get(f"{group.name}/{letter.message_id}")
        old = letter.failed_at is not None and view.now - letter.failed_at > RECEIPT_LIFETIME
        what = f"{letter.type} in {group.dead}"
        if receipt is None:
            if not old:
                found.append(Finding(letter.message_id, f"{what} has no receipt"))
        elif receipt["at"] > dead.at:
            continue  # sent round again since it was read
        elif receipt["status"] != Outcome.FAILED.value:
            detail = f"{what} is {receipt['status']} since: it can be dropped"
            found.append(Finding(letter.message_id, detail, notice=True))
        elif letter.failed_at is not None and letter.failed_at != receipt["at"]:
            detail = f"{what} tells of an earlier failure than its receipt: it can be dropped"
            found.append(Finding(letter.message_id, detail, notice=True))
        elif (times := dead.counts[key := letter_key(letter)]) > 1 and key not in doubled:
            doubled.add(key)
            detail = f"{what} stands there {times} times: all but one can be dropped"
            found.append(Finding(letter.message_id, detail, notice=True))
    return found


async def _unlettered(view: View) -> AsyncIterator[Finding]:
    """Failed receipts whose letter stands nowhere."""
    again: dict[str, Dead] = {}
    fields = ("group", "message_id", "key", "type", "at")
    async for chunk in chunks(view.find("receipts", {"status": Outcome.FAILED.value}, fields)):
        rows = [
            row
            for row in chunk
            if view.late(row["at"]) and not view.has_letter(row["group"], row["message_id"], row["at"])
        ]
        for look in (_ended_by_another, _dropped, _moved_on):
            gone = await look(rows, view) if rows else set()
            rows = [row for row in rows if row["_id"] not in gone]
        for row in rows:
            if await _came_since(row, again, view):
                continue
            waits = view.waits(row["group"], (row["message_id"],), row["at"])
            detail = f"{row['type']} failed, and no letter of it stands in {row['group']}.dead"
            yield Finding(
                row["_id"], f"{detail}; messages wait for {row['group']}" if waits else detail, notice=waits
            )


async def _ended_by_another(rows: list[Row], view: View) -> set[str]:
    """Operations that failed with a later step of theirs: the letter is that one's."""
    steps: dict[str, str] = {}
    for row in rows:
        if row["type"] in SECOND_STEPS:
            step, group = _second_step(row)
            steps[f"{group}/{step}"] = row["_id"]
            steps[f"{group}/{derived_id(step, THIRD_STEP, 0)}"] = row["_id"]
    known = await view.known("receipts", steps, "status")
    return {steps[name] for name, row in known.items() if row["status"] == Outcome.FAILED.value}


async def _dropped(rows: list[Row], view: View) -> set[str]:
    """Failures whose letter was dropped, up to this very moment: the audit keeps it."""
    dropped = set()
    wanted = {"message_id": {"$in": [row["message_id"] for row in rows]}, "deed": Deed.DROPPED.value}
    failed_at = f"headers.{LAST}"
    audit = view.database[AuditEntry.Settings.name]
    async for entry in audit.find(wanted, {"group": 1, "message_id": 1, failed_at: 1}):
        dropped.add((entry["group"], entry["message_id"], time_of(entry.get("headers", {}).get(LAST))))
    return {
        row["_id"]
        for row in rows
        if {(row["group"], row["message_id"], at) for at in (row["at"], None)} & dropped
    }


async def _moved_on(rows: list[Row], view: View) -> set[str]:
    """Receipts that are no longer as they were: their letters were sent round again meanwhile."""
    found = view.database["receipts"].find(
        {"_id": {"$in": [row["_id"] for row in rows]}}, {"status": 1, "at": 1}
    )
    now = {row["_id"]: (row["status"], row["at"]) async for row in found}
    return {row["_id"] for row in rows if now.get(row["_id"]) != (Outcome.FAILED.value, row["at"])}


async def _came_since(row: Row, again: dict[str, Dead], view: View) -> bool:
    """Whether the letter arrived after the letters were read: a RabbitMQ is looked at once more for each group."""
    if view.broker is None or view.under_way is not None:
        return False
    group = row["group"]
    if group not in again:
        again[group] = await dead_of(view.broker, BY_NAME[group])
    dead = again[group]
    return dead.unread is not None or dead.stands(row["message_id"], row["at"])

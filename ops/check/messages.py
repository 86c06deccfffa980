"""Messages: each has its outcome, none is left behind, and what could not be processed stands where it can be read."""

from collections.abc import AsyncIterator
from hashlib import blake2b

from broker.letters import Letter, LettersBusy
from broker.outbox import LEASE, derived_id
from broker.topology import BY_NAME, GROUPS, RETRY_TIERS
from documents.audit import AuditEntry, Deed
from documents.operations import RECEIPT_LIFETIME, Outcome
from ops.check.findings import Finding
from ops.check.view import CHUNK, Row, View, chunks

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
                waits = view.is_waiting(group)
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
    assert view.broker is not None
    for group in GROUPS:
        unreadable = view.broker.readable(group)
        if unreadable is not None:
            yield Finding(group.dead, f"{unreadable}: they were not compared with the receipts", notice=True)
            continue
        standing: set[bytes] = set()  # 16 bytes a letter, whatever its size
        letters: list[Letter] = []
        try:
            async for letter in view.broker.letters(group):
                standing.add(_digest(letter.message_id))
                letters.append(letter)
                if len(letters) == CHUNK:
                    for finding in await _unexplained(letters, group.name, view):
                        yield finding
                    letters = []
        except LettersBusy as busy:
            yield Finding(group.dead, f"{busy}: they were not compared with the receipts", notice=True)
            continue
        for finding in await _unexplained(letters, group.name, view):
            yield finding
        async for finding in _unlettered(group.name, standing, view):
            yield finding


async def _unexplained(letters: list[Letter], group: str, view: View) -> list[Finding]:
    """Letters that no failed receipt belongs to."""
    known = await view.known("receipts", {f"{group}/{each.message_id}" for each in letters}, "status")
    found = []
    for letter in letters:
        receipt = known.get(f"{group}/{letter.message_id}")
        old = letter.last_failed_at is not None and view.now - letter.last_failed_at > RECEIPT_LIFETIME
        if receipt is None and not old:
            found.append(Finding(letter.message_id, f"{letter.type} in {letter.group.dead} has no receipt"))
        elif receipt is not None and receipt["status"] != Outcome.FAILED.value:
            detail = f"{letter.type} in {letter.group.dead} is {receipt['status']} since: it can be dropped"
            found.append(Finding(letter.message_id, detail, notice=True))
    return found


async def _unlettered(group: str, standing: set[bytes], view: View) -> AsyncIterator[Finding]:
    """Failed receipts whose letter stands nowhere."""
    where = {"status": Outcome.FAILED.value, "group": group}
    async for chunk in chunks(view.find("receipts", where, ("message_id", "type", "at"))):
        missing = {row["message_id"]: row for row in chunk if _digest(row["message_id"]) not in standing}
        if not missing:
            continue
        ids = {"message_id": {"$in": list(missing)}}
        dead = {**ids, "exchange": "", "routing_key": BY_NAME[group].dead}
        explained = {row["message_id"] async for row in view.find("outbox", dead, ("message_id",))}
        dropped = {**ids, "deed": Deed.DROPPED.value, "group": group}
        audit = AuditEntry.Settings.name
        explained |= {row["message_id"] async for row in view.find(audit, dropped, ("message_id",))}
        for message_id, row in missing.items():
            if message_id not in explained and view.late(row["at"]):
                detail = f"{row['type']} failed, and no letter of it stands in {group}.dead"
                waits = view.is_waiting(group)  # it may be on its way round again
                yield Finding(
                    row["_id"], f"{detail}; messages wait for {group}" if waits else detail, notice=waits
                )


def _digest(message_id: str) -> bytes:
    return blake2b(message_id.encode(), digest_size=16).digest()

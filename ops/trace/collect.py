"""Reading everything that is kept about one order."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import timedelta

import msgspec
from pymongo.asynchronous.database import AsyncDatabase

from broker.letters import HELD_MAX, LettersBusy, LettersUnavailable
from broker.messages import Envelope
from broker.topology import GROUPS, Group
from documents.operations import receipt_id
from handlers.expiry import expiry_of
from ops.check.looking import EMBEDDED, BrokerAddress, looking_at
from ops.check.queues import Broker, BrokerLost, JournalQueues
from ops.trace.found import Found, Row
from ops.trace.steps import Trace
from ops.trace.weave import weave

Database = AsyncDatabase[Row]

SKEW_MAX = timedelta(minutes=1)  # between the clocks of two workers


class NoSuchOrder(Exception):
    """No order has this id."""

    def __init__(self, order_id: str, database: str) -> None:
        super().__init__(f"there is no order {order_id} in the database {database}: is its id complete?")


async def trace(
    database: Database, order_id: str, broker: BrokerAddress | None = EMBEDDED, *, everything: bool = False
) -> Trace:
    """What is kept about an order. Receipts are kept 30 days.

    Receipts are found by the messages that documents name, by correlations of these, and where they tell of a problem.
    `everything` also looks through all receipts since the order was placed, for repeats that changed nothing.
    Raises `NoSuchOrder`, `PyMongoError`.
    """
    order = await database["orders"].find_one({"_id": order_id})
    if order is None:
        raise NoSuchOrder(order_id, database.name)
    found = Found(order)
    await _read_documents(database, found)
    await _read_receipts(database, found, named(found))
    await _read_receipts_where(database, found, {"key": order_id, "problem": {"$type": "object"}})
    if everything:
        # Along the index on `at`: a walk that is the longer the older the order is.
        since = {"at": {"$gte": order["placed_at"] - SKEW_MAX}, "key": order_id}
        await _read_receipts_where(database, found, since)
    await _read_broker(database, broker, found)
    await _read_receipts(
        database,
        found,
        {receipt_id(letter.group.name, letter.message_id) for letter in found.letters},
        {letter.correlation_id for letter in found.letters}
        | {envelope.correlation_id for _, envelope in found.waiting},
    )
    await _read_outbox(database, found)
    await _read_audit(database, found)
    _remark(found, everything=everything)
    return weave(found)


async def _read_documents(database: Database, found: Found) -> None:
    order_id = found.order["_id"]
    books = database.client.get_database(f"{database.name}_gateway", codec_options=database.codec_options)
    found.payment = await database["payments"].find_one({"_id": order_id})
    found.charge = await books["charges"].find_one({"_id": order_id})
    found.shipment = await database["shipments"].find_one({"_id": order_id})
    # `$type`: without it the planner does not see that the partial index holds all of them.
    moved = {"order_id": {"$eq": order_id, "$type": "string"}}
    found.movements = await database["movements"].find(moved).to_list()
    found.notifications = await database["notifications"].find({"order_id": order_id}).to_list()


def named(found: Found) -> set[str]:
    """The ids of receipts that the order's documents tell of; not all are there."""
    order = found.order
    receipts = {
        receipt_id("carts", order["placed_by"]),
        receipt_id("payments", expiry_of(order["_id"])),
        *(receipt_id("orders", movement["cause"]) for movement in found.movements),
    }
    if order.get("refund_asked_by"):
        receipts.add(receipt_id("orders", order["refund_asked_by"]))
    for group, actor in (("payments", found.payment), ("shipments", found.shipment)):
        causes = (change.get("cause") for change in (actor["history"] if actor is not None else ()))
        receipts.update(receipt_id(group, cause) for cause in causes if cause)
    return receipts


async def _read_receipts(
    database: Database, found: Found, ids: AbstractSet[str], correlations: AbstractSet[str] = frozenset()
) -> None:
    """These, what has a correlation of theirs and is about the order, and what that caused."""
    receipts = {row["_id"]: row for row in found.receipts}
    new = list(ids - receipts.keys())
    receipts.update({row["_id"]: row async for row in database["receipts"].find({"_id": {"$in": new}})})
    known = {row["correlation_id"] for row in found.receipts}
    wanted = {*correlations, *(row["correlation_id"] for row in receipts.values())} - known - {""}
    same = database["receipts"].find({"correlation_id": {"$in": list(wanted)}})
    candidates = {row["_id"]: row async for row in same if row["_id"] not in receipts}
    about = {key: row for key, row in candidates.items() if row["key"] == found.order["_id"]}
    receipts.update(about)
    _adopt(receipts, {key: row for key, row in candidates.items() if key not in about})
    found.receipts = list(receipts.values())


async def _read_receipts_where(database: Database, found: Found, wanted: Row) -> None:
    """Those that nothing may lead to, and what leads from them."""
    rows = await database["receipts"].find(wanted, {"correlation_id": 1}).to_list()
    ids, correlations = {row["_id"] for row in rows}, {row["correlation_id"] for row in rows}
    await _read_receipts(database, found, ids, correlations)


async def _read_outbox(database: Database, found: Found) -> None:
    """Rows of its messages, chosen by the database: the outbox has no index for it, and is empty but for what waits."""
    messages = {row["message_id"] for row in found.receipts}
    correlations = {row["correlation_id"] for row in found.receipts} | {expiry_of(found.order["_id"])}
    async for row in database["outbox"].find({"correlation_id": {"$in": list(correlations - {""})}}):
        envelope = _envelope_of(bytes(row["body"]))
        about = envelope is not None and (
            envelope.key == found.order["_id"] or envelope.causation_id in messages
        )
        if about or row["message_id"] in messages:
            found.outbox.append(row)


def _remark(found: Found, *, everything: bool) -> None:
    """Says what is missing."""
    placed_by = receipt_id("carts", found.order["placed_by"])
    found.placed = next((row for row in found.receipts if row["_id"] == placed_by), None)
    if found.placed is None:
        found.remarks.append(f"the receipt of its PlaceOrder ({placed_by}) is not kept any more")
    changes = [
        change
        for actor in (found.payment, found.shipment)
        for change in (actor["history"] if actor is not None else ())
    ]
    if not everything and not all(change.get("cause") for change in changes):
        found.remarks.append(
            "an earlier release wrote changes of its payment or parcel, which name no message: --all looks for those"
        )


def _adopt(receipts: dict[str, Row], candidates: dict[str, Row]) -> None:
    """Takes in what was caused by what is there already: one request may carry the correlation of several orders."""
    grew = True
    while grew:
        messages = {row["message_id"] for row in receipts.values()}
        new = {key: row for key, row in candidates.items() if row["causation_id"] in messages}
        grew = bool(new)
        receipts.update(new)
        for key in new:
            del candidates[key]


async def _read_broker(database: Database, address: BrokerAddress | None, found: Found) -> None:
    async with looking_at(database, address, found.remarks) as broker:
        if broker is None:
            return
        try:
            counts = await broker.counts()
        except BrokerLost as lost:
            found.remarks.append(f"{lost}: queues and dead letters were not looked at")
            return
        await _read_letters(broker, [group for group in GROUPS if counts[group.dead].total], found)
        order = found.order
        if isinstance(broker, JournalQueues):
            async for queue, envelope in broker.envelopes():
                if envelope.key == order["_id"] or envelope.id == order["placed_by"]:
                    found.waiting.append((queue, envelope))
        elif any(waiting.total for queue, waiting in counts.items() if not queue.endswith(".dead")):
            found.remarks.append(
                "messages wait in queues of RabbitMQ, whose content nobody may look at: some may be its own"
            )


async def _read_letters(broker: Broker, groups: Iterable[Group], found: Found) -> None:
    ids = {row["message_id"] for row in found.receipts}
    for group in groups:
        if broker.readable(group) is not None:
            found.remarks.append(f"only the first {HELD_MAX:,} letters of {group.dead} were read")
        try:
            async for letter in broker.letters(group):
                if letter.key == found.order["_id"] or letter.message_id in ids:
                    found.letters.append(letter)
        except (LettersBusy, LettersUnavailable) as error:
            found.remarks.append(f"{group.dead} was not read: {error}")


async def _read_audit(database: Database, found: Found) -> None:
    """What people did to dead letters of its messages: drops by message, replays by the runs that are named."""
    messages = {row["message_id"] for row in found.receipts} | {each.message_id for each in found.letters}
    runs = {row.get("replay") for row in found.receipts} | {each.replay for each in found.letters}
    wanted = {"$or": [{"message_id": {"$in": list(messages)}}, {"_id": {"$in": list(runs - {None})}}]}
    found.audit = await database["audit"].find(wanted, {"body": 0}).to_list()


def _envelope_of(body: bytes) -> Envelope | None:
    try:
        return Envelope.from_bytes(body)
    except msgspec.DecodeError:
        return None

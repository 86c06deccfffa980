"""Reading everything that is kept about one order."""

import msgspec
from pymongo.asynchronous.database import AsyncDatabase

from broker.letters import HELD_MAX, LettersBusy
from broker.messages import Envelope
from broker.topology import GROUPS
from ops.check.looking import EMBEDDED, BrokerAddress, looking_at
from ops.check.queues import JournalQueues
from ops.trace.found import Found, Row
from ops.trace.steps import Trace
from ops.trace.weave import weave

Database = AsyncDatabase[Row]


class NoSuchOrder(Exception):
    """No order has this id."""

    def __init__(self, order_id: str, database: str) -> None:
        super().__init__(f"there is no order {order_id} in the database {database}: is its id complete?")


async def trace(database: Database, order_id: str, broker: BrokerAddress | None = EMBEDDED) -> Trace:
    """Everything that is kept about an order. Receipts are kept 30 days. Raises `NoSuchOrder`, `PyMongoError`."""
    order = await database["orders"].find_one({"_id": order_id})
    if order is None:
        raise NoSuchOrder(order_id, database.name)
    found = Found(order)
    await _read_documents(database, found)
    await _read_receipts(database, found)
    await _read_broker(database, broker, found)
    await _read_audit(database, found)
    return weave(found)


async def _read_documents(database: Database, found: Found) -> None:
    order_id = found.order["_id"]
    books = database.client.get_database(f"{database.name}_gateway", codec_options=database.codec_options)
    found.payment = await database["payments"].find_one({"_id": order_id})
    found.charge = await books["charges"].find_one({"_id": order_id})
    found.shipment = await database["shipments"].find_one({"_id": order_id})
    found.movements = await database["movements"].find({"order_id": order_id}).to_list()
    found.notifications = await database["notifications"].find({"order_id": order_id}).to_list()


async def _read_receipts(database: Database, found: Found) -> None:
    """Its PlaceOrder's, all that are about it, and what these caused; and the rows of the outbox."""
    order = found.order
    found.placed = await database["receipts"].find_one({"_id": f"carts/{order['placed_by']}"})
    if found.placed is None:
        found.remarks.append(
            f"the receipt of its PlaceOrder (carts/{order['placed_by']}) is not kept any more"
        )
    receipts = {row["_id"]: row async for row in database["receipts"].find({"key": order["_id"]})}
    if found.placed is not None:
        receipts[found.placed["_id"]] = found.placed
    correlations = {row["correlation_id"] for row in receipts.values()} - {""}
    same = database["receipts"].find({"correlation_id": {"$in": list(correlations)}})
    candidates = {row["_id"]: row async for row in same if row["_id"] not in receipts}
    _adopt(receipts, candidates)
    found.receipts = list(receipts.values())
    messages = {row["message_id"] for row in found.receipts}
    async for row in database["outbox"].find({}):
        envelope = _envelope_of(bytes(row["body"]))
        about = envelope is not None and (envelope.key == order["_id"] or envelope.causation_id in messages)
        if about or row["message_id"] in messages:
            found.outbox.append(row)


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
    order = found.order
    ids = {row["message_id"] for row in found.receipts}
    async with looking_at(database, address, found.remarks) as broker:
        if broker is None:
            return
        counts = await broker.counts()
        for group in GROUPS:
            if not counts[group.dead].total:
                continue
            if broker.readable(group) is not None:
                found.remarks.append(f"only the first {HELD_MAX:,} letters of {group.dead} were read")
            try:
                async for letter in broker.letters(group):
                    if letter.key == order["_id"] or letter.message_id in ids:
                        found.letters.append(letter)
            except LettersBusy as busy:
                found.remarks.append(f"{busy}")
        if isinstance(broker, JournalQueues):
            async for queue, envelope in broker.envelopes():
                if envelope.key == order["_id"] or envelope.id == order["placed_by"]:
                    found.waiting.append((queue, envelope))
        elif any(waiting.total for queue, waiting in counts.items() if not queue.endswith(".dead")):
            found.remarks.append(
                "messages wait in queues of RabbitMQ, whose content nobody may look at: some may be its own"
            )


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

"""Carts, receipts, outbox, queues and dead letters."""

from datetime import datetime

from msgspec import Raw
from pamqp.common import FieldTable

from broker.dead import LAST
from broker.embedded.messages import Properties, encode_properties
from broker.messages import SYSTEM, Envelope
from broker.outbox import derived_id
from documents.actors import utc_now
from tests.ops.test_check.plants import Plants, Row
from tests.ops.test_check.violations.common import TITLE, long_ago


async def a_cart_that_changed_by_itself(plants: Plants) -> str:
    """A write without a message: nobody's receipt tells of this revision."""
    await plants.change("carts", plants.carts["own"], {"$inc": {"rev": 1}})
    return plants.carts["own"]


async def a_cart_that_lost_a_change(plants: Plants) -> str:
    """Two owners wrote: a receipt tells of a revision that the cart never reached."""
    await plants.change("carts", plants.carts["own"], {"$inc": {"rev": -1}})
    return plants.carts["own"]


async def a_merged_cart_with_lines(plants: Plants) -> str:
    """Its lines are in two carts now."""
    line = {"title": "Volume", "quantity": 1, "unit_price": 1}
    await plants.change("carts", plants.carts["merged"], {"$set": {f"lines.{TITLE}": line}})
    return plants.carts["merged"]


async def a_merge_into_another_cart(plants: Plants) -> str:
    """Its receipt names the one that got the lines."""
    await plants.change("carts", plants.carts["merged"], {"$set": {"merged_into": plants.carts["confirmed"]}})
    return plants.carts["merged"]


async def lines_that_never_arrived(plants: Plants) -> str:
    """The merge succeeded, and its second step was refused."""
    merge = await plants.one("receipts", {"type": "MergeCart", "status": "succeeded"})
    await plants.change(
        "receipts",
        f"carts/{derived_id(merge['message_id'], 'AbsorbCart', 0)}",
        {"$set": {"status": "rejected"}},
    )
    return str(merge["_id"])


async def lines_that_never_came_back(plants: Plants) -> str:
    """A merge was refused, and the step that gives the lines back was lost."""
    merge = await plants.one("receipts", {"type": "MergeCart", "status": "rejected"})
    await plants.change("receipts", merge["_id"], {"$set": {"status": "pending", "at": long_ago()}})
    await plants.database["receipts"].delete_one({"type": "ReopenCart"})
    into = merge["resource"].partition("/")[2]
    closed = {"status": "merged", "merged_into": into, "lines": {}, "rev": 2}
    await plants.change("carts", plants.carts["back"], {"$set": closed})
    return str(merge["_id"])


async def an_operation_that_never_ends(plants: Plants) -> str:
    """A second step was lost."""
    dispatch = await plants.one("receipts", {"type": "DispatchShipment"})
    lost = {"_id": "shipments/lost", "message_id": "lost", "status": "pending", "at": long_ago()}
    await plants.database["receipts"].insert_one({**dispatch, **lost})
    return "shipments/lost"


async def an_operation_that_missed_its_end(plants: Plants) -> str:
    """The second step was carried out, and the first one still waits for it."""
    dispatch = await plants.one("receipts", {"type": "DispatchShipment"})
    await plants.change("receipts", dispatch["_id"], {"$set": {"status": "pending"}})
    return str(dispatch["_id"])


async def a_message_that_is_never_sent(plants: Plants) -> str:
    """No relay takes it."""
    row = {
        "_id": "stuck",
        "message_id": "m",
        "type": "OrderPlaced",
        "exchange": "quire.events",
        "routing_key": "OrderPlaced.1",
        "body": b"{}",
        "created_at": long_ago(),
        "lease_until": utc_now(),
    }
    await plants.database["outbox"].insert_one(row)
    return "stuck"


def journalled(queue: str, message_id: str, failed_at: datetime | None = None, number: int = 0) -> Row:
    """A message in the embedded broker's journal; a letter may say when it failed."""
    headers: FieldTable | None = {LAST: failed_at.isoformat()} if failed_at is not None else None
    properties = Properties(message_id=message_id, message_type="AddItem", delivery_mode=2, headers=headers)
    return {
        "_id": 10**15 + number,
        "q": queue,
        "e": "",
        "k": queue,
        "p": encode_properties(properties),
        "b": b"no envelope",
    }


def waiting(queue: str, key: str, message_id: str = "m") -> Row:
    """A message in the embedded broker's journal whose body can be read: it is about `key`."""
    envelope = Envelope(
        id=message_id,
        type="OrderConfirmed",
        version=1,
        key=key,
        sender=SYSTEM,
        accepted_at=utc_now(),
        correlation_id="test",
        data=Raw(b"{}"),
    )
    return {**journalled(queue, message_id), "b": envelope.to_bytes()}


async def a_queue_that_nobody_works_off(plants: Plants) -> str:
    """A message stands in a work queue."""
    await plants.database["broker_messages"].insert_one(journalled("catalog.2", "m"))
    return "catalog.2"


async def a_failure_without_a_letter(plants: Plants) -> str:
    """Somebody purged the dead-letter queue."""
    receipt = await plants.one("receipts", {"group": "catalog"})
    failed = {
        "_id": "catalog/purged",
        "message_id": "purged",
        "status": "failed",
        "rev": None,
        "at": long_ago(),
    }
    await plants.database["receipts"].insert_one({**receipt, **failed})
    return "catalog/purged"


async def a_letter_without_a_failure(plants: Plants) -> str:
    """A dead letter of a message that nobody processed."""
    await plants.database["broker_messages"].insert_one(journalled("catalog.dead", "m-unknown"))
    return "m-unknown"

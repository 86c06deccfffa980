"""Parcels and mails."""

from tests.ops.test_check.plants import Plants
from tests.ops.test_check.violations.common import cancel_long_ago, long_ago


async def a_parcel_without_an_order(plants: Plants) -> str:
    """A shipment of nothing."""
    parcel = await plants.one("shipments", plants.orders["confirmed"])
    await plants.database["shipments"].insert_one({**parcel, "_id": "o-nowhere"})
    return "o-nowhere"


async def a_parcel_with_something_else(plants: Plants) -> str:
    """One copy more than was ordered."""
    await plants.change("shipments", plants.orders["confirmed"], {"$inc": {"lines.0.quantity": 1}})
    return plants.orders["confirmed"]


async def a_shipped_order_in_the_house(plants: Plants) -> str:
    """The order was shipped, its parcel is being packed."""
    parcel = await plants.one("shipments", plants.orders["refunded"])
    state = {"status": "preparing", "rev": 1, "history": parcel["history"][:1]}
    await plants.change("shipments", parcel["_id"], {"$set": state})
    return plants.orders["refunded"]


async def a_confirmed_order_that_nobody_packs(plants: Plants) -> str:
    """OrderConfirmed was lost on its way to shipments."""
    await cancel_long_ago(plants, plants.orders["confirmed"])
    await plants.database["shipments"].delete_one({"_id": plants.orders["confirmed"]})
    return plants.orders["confirmed"]


async def a_cancelled_order_that_is_packed(plants: Plants) -> str:
    """OrderCancelled was lost on its way to shipments."""
    order_id = plants.orders["voided"]
    await cancel_long_ago(plants, order_id)
    parcel = await plants.one("shipments", plants.orders["confirmed"])
    await plants.database["shipments"].replace_one(
        {"_id": order_id}, {**parcel, "_id": order_id}, upsert=True
    )
    prepared = {"group": "shipments", "type": "OrderConfirmed", "key": order_id}
    await plants.change("receipts", prepared, {"$set": {"at": parcel["history"][0]["at"]}})
    return order_id


async def a_parcel_that_left_twice(plants: Plants) -> str:
    """Dispatched after it was delivered."""
    parcel = await plants.one("shipments", plants.orders["delivered"])
    first, second, last = parcel["history"]
    path = [first, second, last, {**second, "rev": 4}, {**last, "rev": 5}]
    await plants.change("shipments", parcel["_id"], {"$set": {"history": path, "rev": 5}})
    return str(parcel["_id"])


async def a_mail_that_never_left(plants: Plants) -> str:
    """OrderConfirmed was lost on its way to notifications."""
    order_id = plants.orders["confirmed"]
    await cancel_long_ago(plants, order_id)
    await plants.database["notifications"].delete_one({"_id": f"{order_id}.OrderConfirmed"})
    return order_id


async def a_mail_that_hangs(plants: Plants) -> str:
    """Whoever was sending it died, and nobody took over."""
    order_id = plants.orders["confirmed"]
    await cancel_long_ago(plants, order_id)
    state = {"status": "sending", "lease_until": long_ago()}
    await plants.change("notifications", f"{order_id}.OrderConfirmed", {"$set": state})
    return order_id


async def a_hand_over_without_a_receipt(plants: Plants) -> str:
    """Staff handed the parcel over, and nothing tells of it: their operation stays open for ever."""
    order_id = plants.orders["refunded"]
    await plants.database["receipts"].delete_one({"type": "DispatchShipment", "key": order_id})
    return order_id


async def a_mail_without_a_receipt(plants: Plants) -> str:
    """It was sent, and nothing tells why."""
    order_id = plants.orders["refunded"]
    await plants.database["receipts"].delete_one(
        {"group": "notifications", "type": "OrderRefunded", "key": order_id}
    )
    return order_id

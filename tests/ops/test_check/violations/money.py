"""Payments, the gateway's books and the orders that lean on them."""

from datetime import datetime
from typing import Any

from documents.actors import utc_now
from tests.ops.test_check.plants import Plants
from tests.ops.test_check.violations.common import LONG_AGO, cancel_long_ago, long_ago


async def placed(plants: Plants, **order: Any) -> str:
    """The confirmed order as it was when it was placed, with its payment still to be authorised, long ago."""
    order_id = plants.orders["confirmed"]
    found = await plants.one("orders", order_id)
    first = {**found["history"][0], "at": long_ago()}
    due = utc_now() + LONG_AGO
    state = {"status": "placed", "rev": 1, "history": [first], "due_at": due}
    await plants.change("orders", order_id, {"$set": {**state, **order}})
    await plants.database["shipments"].delete_one({"_id": order_id})
    await plants.database["receipts"].delete_many({"group": "orders", "key": order_id})
    return order_id


async def paying(plants: Plants, order_id: str, status: str, at: datetime) -> None:
    """The payment of a placed order, in its first or second state since then."""
    payment = await plants.one("payments", order_id)
    history = [{**payment["history"][0], "at": at}]
    if status != "authorising":
        history.append({**history[0], "rev": 2, "status": status})
        await plants.change(
            "receipts", {"group": "payments", "type": "OrderPlaced", "key": order_id}, {"$set": {"at": at}}
        )
    state = {"status": status, "rev": len(history), "history": history}
    await plants.change("payments", order_id, {"$set": state})


async def an_order_that_never_expires(plants: Plants) -> str:
    """Placed, and without a due time."""
    order_id = await placed(plants, due_at=None)
    await paying(plants, order_id, "authorising", utc_now())
    return order_id


async def an_order_that_outlives_its_time(plants: Plants) -> str:
    """Placed, and due long ago."""
    order_id = await placed(plants, due_at=long_ago())
    await paying(plants, order_id, "authorising", utc_now())
    return order_id


async def confirmed_for_less(plants: Plants) -> str:
    """Payment and gateway agree on an amount that is not the order's."""
    order_id = plants.orders["confirmed"]
    await plants.change("payments", order_id, {"$inc": {"amount": -1}})
    await plants.charge(order_id, {"$inc": {"amount": -1}})
    return order_id


async def confirmed_without_a_payment(plants: Plants) -> str:
    """Neither we nor the gateway know of its money."""
    order_id = plants.orders["confirmed"]
    await plants.database["payments"].delete_one({"_id": order_id})
    await plants.gateway["charges"].delete_one({"_id": order_id})
    return order_id


async def an_order_that_payments_never_heard_of(plants: Plants) -> str:
    """OrderPlaced was lost."""
    order_id = await placed(plants)
    await plants.database["payments"].delete_one({"_id": order_id})
    await plants.gateway["charges"].delete_one({"_id": order_id})
    return order_id


async def an_authorisation_that_never_ends(plants: Plants) -> str:
    """The intent was saved, and whoever meant it died."""
    order_id = await placed(plants)
    await paying(plants, order_id, "authorising", long_ago())
    return order_id


async def an_authorisation_that_nobody_told(plants: Plants) -> str:
    """PaymentAuthorized was lost."""
    order_id = await placed(plants)
    await paying(plants, order_id, "authorized", long_ago())
    return order_id


async def a_payment_that_skips_the_authorisation(plants: Plants) -> str:
    """Authorising, then captured."""
    payment = await plants.one("payments", plants.orders["delivered"])
    first, *_, last = payment["history"]
    path = [first, {**last, "rev": 2}]
    await plants.change("payments", payment["_id"], {"$set": {"history": path, "rev": 2}})
    return str(payment["_id"])


async def a_parcel_that_nobody_paid_for(plants: Plants) -> str:
    """OrderShipped was lost on its way to payments."""
    order_id = plants.orders["delivered"]
    order, payment = await plants.one("orders", order_id), await plants.one("payments", order_id)
    history = [{**change, "at": long_ago()} for change in order["history"]]
    await plants.change("orders", order_id, {"$set": {"history": history}})
    state = {"status": "authorized", "rev": 2, "history": payment["history"][:2]}
    await plants.change("payments", order_id, {"$set": state})
    await plants.charge(order_id, {"$set": {"status": "authorized"}, "$pop": {"entries": 1}})
    return order_id


async def captured_twice(plants: Plants) -> str:
    """The gateway took it two times."""
    order_id = plants.orders["delivered"]
    charge = await plants.gateway["charges"].find_one({"_id": order_id})
    assert charge is not None
    await plants.charge(order_id, {"$push": {"entries": charge["entries"][-1]}})
    return order_id


async def captured_too_much(plants: Plants) -> str:
    """One capture, over more than the total."""
    await plants.charge(plants.orders["delivered"], {"$inc": {"entries.1.amount": 1}})
    return plants.orders["delivered"]


async def cancelled_and_still_held(plants: Plants) -> str:
    """OrderCancelled was lost on its way to payments."""
    order_id = plants.orders["voided"]
    payment = await plants.one("payments", order_id)
    await cancel_long_ago(plants, order_id)
    state = {"status": "authorized", "rev": 2, "history": payment["history"][:2]}
    await plants.change("payments", order_id, {"$set": state})
    await plants.charge(order_id, {"$set": {"status": "authorized"}, "$pop": {"entries": 1}})
    return order_id


async def cancelled_and_charged(plants: Plants) -> str:
    """The gateway took the money of an order that was cancelled, and says that it was voided."""
    order_id = plants.orders["voided"]
    await cancel_long_ago(plants, order_id)
    order = await plants.one("orders", order_id)
    entry = {"entry": "captured", "amount": order["total"], "at": utc_now()}
    await plants.charge(order_id, {"$push": {"entries": entry}})
    return order_id


async def a_refund_that_nobody_began(plants: Plants) -> str:
    """RefundRequested was lost."""
    order_id = plants.orders["delivered"]
    await plants.change("orders", order_id, {"$set": {"cancelling": True}, "$inc": {"rev": 1}})
    receipt = await plants.one("receipts", {"type": "CancelOrder", "key": plants.orders["refunded"]})
    asked = {**receipt, "_id": "orders/asked", "message_id": "asked", "key": order_id}
    asked |= {"rev": 5, "at": long_ago()}
    await plants.database["receipts"].insert_one(asked)
    return order_id


async def a_charge_that_is_not_in_the_books(plants: Plants) -> str:
    """We say authorised, the gateway never heard of it."""
    await plants.gateway["charges"].delete_one({"_id": plants.orders["confirmed"]})
    return plants.orders["confirmed"]


async def a_charge_over_another_amount(plants: Plants) -> str:
    """The gateway holds more than we know of."""
    await plants.charge(plants.orders["confirmed"], {"$inc": {"amount": 1}})
    return plants.orders["confirmed"]


async def a_charge_without_an_order(plants: Plants) -> str:
    """Money is held for nothing."""
    charge = await plants.gateway["charges"].find_one({"_id": plants.orders["confirmed"]})
    assert charge is not None
    await plants.gateway["charges"].insert_one({**charge, "_id": "o-nowhere"})
    return "o-nowhere"


async def a_capture_without_a_receipt(plants: Plants) -> str:
    """Whoever captured it noted nothing."""
    order_id = plants.orders["refunded"]
    await plants.database["receipts"].delete_one(
        {"group": "payments", "type": "OrderShipped", "key": order_id}
    )
    return order_id


async def an_expiry_without_a_receipt(plants: Plants) -> str:
    """It was to be closed at the gateway, and whoever meant to do that died."""
    order_id = plants.orders["declined"]
    payment = await plants.one("payments", order_id)
    expired = {**payment["history"][0], "rev": 2, "status": "expired", "at": long_ago()}
    history = [payment["history"][0], expired]
    await plants.change("payments", order_id, {"$set": {"status": "expired", "rev": 2, "history": history}})
    await plants.database["receipts"].delete_many({"group": "payments", "key": order_id})
    return order_id

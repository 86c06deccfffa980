"""One violation an invariant: how it is planted, and the id that must be named.

Each breaks its promise and no other one, so that the test shows which check saw it.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from broker.embedded.messages import Properties, encode_properties
from broker.outbox import derived_id
from documents.actors import utc_now
from tests.ops.test_check.journeys import ISBNS
from tests.ops.test_check.plants import Plants, Row

Plant = Callable[[Plants], Awaitable[str]]
LONG_AGO = timedelta(hours=1)
TITLE = ISBNS[0]


def long_ago() -> datetime:
    """Longer than any grace period."""
    return utc_now() - LONG_AGO


async def a_copy_out_of_nowhere(plants: Plants) -> str:
    """On hand and available one higher than the ledger."""
    await plants.change("stock", TITLE, {"$inc": {"on_hand": 1, "available": 1}})
    return TITLE


async def more_available_than_there_is(plants: Plants) -> str:
    """Available is not on hand less reserved."""
    await plants.change("stock", TITLE, {"$inc": {"available": 1}})
    return TITLE


async def sold_out_by_the_catalogue(plants: Plants) -> str:
    """The flag was not written with the stock."""
    await plants.change("books", TITLE, {"$set": {"available": False}})
    return TITLE


async def a_count_that_reserves(plants: Plants) -> str:
    """The sums are right, but a count took a copy for nobody."""
    movement = await plants.one("movements", {"reason": "counted", "isbn": TITLE})
    leaked = {**movement, "_id": 1, "on_hand": 0, "reserved": 1}
    await plants.database["movements"].insert_one(leaked)
    await plants.change("stock", TITLE, {"$inc": {"reserved": 1, "available": -1}})
    return "1"


async def a_movement_without_a_message(plants: Plants) -> str:
    """Its cause was never received: stock moved outside the receipt's transaction."""
    movement = await plants.one("movements", {"reason": "sold"})
    await plants.change("movements", {"_id": movement["_id"]}, {"$set": {"cause": "nobody"}})
    return "orders/nobody"


async def stock_of_no_order(plants: Plants) -> str:
    """Reserved and released for an order that is not there."""
    movement = await plants.one("movements", {"reason": "reserved"})
    released = await plants.one("movements", {"reason": "released"})
    both = {"isbn": TITLE, "order_id": "o-nowhere"}
    await plants.database["movements"].insert_many(
        [
            {**movement, **both, "_id": 1, "reserved": 1},
            {**released, **both, "_id": 2, "reserved": -1},
        ]
    )
    return "o-nowhere"


async def stock_released_for_the_wrong_order(plants: Plants) -> str:
    """The title's sums are right, an open order's are not."""
    movement = await plants.one("movements", {"order_id": plants.orders["confirmed"], "isbn": TITLE})
    mine = {"order_id": plants.orders["confirmed"], "isbn": TITLE}
    released = await plants.one("movements", {"reason": "released"})
    await plants.database["movements"].insert_many(
        [
            {**movement, **mine, "_id": 1, "reserved": 1},
            {**released, **mine, "_id": 2, "reserved": -2},
        ]
    )
    await plants.change("stock", TITLE, {"$inc": {"reserved": -1, "available": 1}})
    return plants.orders["confirmed"]


async def two_orders_of_one_key(plants: Plants) -> str:
    """The unique index is gone, and with it what kept the second one out."""
    first, second = plants.orders["confirmed"], plants.orders["delivered"]
    order = await plants.one("orders", first)
    await plants.database["orders"].drop_index("sender_1_placed_by_1")
    same = {"sender": order["sender"], "placed_by": order["placed_by"]}
    await plants.change("orders", second, {"$set": same})
    return max(first, second)


async def an_order_that_nobody_placed(plants: Plants) -> str:
    """Its receipt is gone; nothing else leans on that one."""
    order = plants.orders["voided"]
    await plants.change("orders", order, {"$set": {"placed_by": "nobody"}})
    return order


async def an_order_that_vanished(plants: Plants) -> str:
    """A PlaceOrder succeeded, and its order is nowhere."""
    receipt = await plants.one("receipts", {"type": "PlaceOrder", "status": "succeeded"})
    made = {
        **receipt,
        "_id": "carts/vanished",
        "message_id": "vanished",
        "resource": "orders/o-gone",
        "rev": None,
    }
    await plants.database["receipts"].insert_one(made)
    return "carts/vanished"


async def a_move_that_is_not_in_the_table(plants: Plants) -> str:
    """Confirmed, and then placed again and confirmed: by rev, it was six changes."""
    order = await plants.one("orders", plants.orders["confirmed"])
    placed, confirmed = order["history"]
    path = [placed, confirmed, {**placed, "rev": 3}, {**confirmed, "rev": 4}]
    await plants.change("orders", order["_id"], {"$set": {"history": path, "rev": 4}})
    return str(order["_id"])


async def a_change_that_left_no_history(plants: Plants) -> str:
    """Its rev counts one change more."""
    await plants.change("orders", plants.orders["confirmed"], {"$inc": {"rev": 1}})
    return plants.orders["confirmed"]


async def a_line_that_is_not_in_the_total(plants: Plants) -> str:
    """A price was changed after the order was placed."""
    await plants.change("orders", plants.orders["declined"], {"$inc": {"lines.0.unit_price": 1}})
    return plants.orders["declined"]


async def placed(plants: Plants, **order: Any) -> str:
    """The confirmed order as it was when it was placed, with its payment still to be authorised, long ago."""
    order_id = plants.orders["confirmed"]
    found = await plants.one("orders", order_id)
    first = {**found["history"][0], "at": long_ago()}
    due = utc_now() + LONG_AGO
    state = {"status": "placed", "rev": 1, "history": [first], "due_at": due}
    await plants.change("orders", order_id, {"$set": {**state, **order}})
    await plants.database["shipments"].delete_one({"_id": order_id})
    return order_id


async def paying(plants: Plants, order_id: str, status: str, at: datetime) -> None:
    """The payment of a placed order, in its first or second state since then."""
    payment = await plants.one("payments", order_id)
    history = [{**payment["history"][0], "at": at}]
    if status != "authorising":
        history.append({**history[0], "rev": 2, "status": status})
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


async def cancel_long_ago(plants: Plants, order_id: str) -> None:
    """Nothing of it is under way any more."""
    order = await plants.one("orders", order_id)
    history = [{**change, "at": long_ago()} for change in order["history"]]
    await plants.change("orders", order_id, {"$set": {"history": history}})


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
    asked = {**receipt, "_id": "orders/asked", "message_id": "asked", "key": order_id, "at": long_ago()}
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
    merge = await plants.one("receipts", {"type": "MergeCart"})
    await plants.change(
        "receipts",
        f"carts/{derived_id(merge['message_id'], 'AbsorbCart', 0)}",
        {"$set": {"status": "rejected"}},
    )
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


def journalled(queue: str, message_id: str) -> Row:
    """A message in the embedded broker's journal."""
    properties = Properties(message_id=message_id, message_type="AddItem", delivery_mode=2)
    return {
        "_id": 10**15,
        "q": queue,
        "e": "",
        "k": queue,
        "p": encode_properties(properties),
        "b": b"no envelope",
    }


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


PLANTED: tuple[tuple[str, Plant], ...] = (
    ("stock-ledger", a_copy_out_of_nowhere),
    ("stock-available", more_available_than_there_is),
    ("stock-flag", sold_out_by_the_catalogue),
    ("movement-shape", a_count_that_reserves),
    ("movement-receipt", a_movement_without_a_message),
    ("movement-order", stock_of_no_order),
    ("order-stock", stock_released_for_the_wrong_order),
    ("order-key", two_orders_of_one_key),
    ("order-receipt", an_order_that_nobody_placed),
    ("receipt-order", an_order_that_vanished),
    ("order-history", a_move_that_is_not_in_the_table),
    ("order-history", a_change_that_left_no_history),
    ("order-total", a_line_that_is_not_in_the_total),
    ("order-due", an_order_that_never_expires),
    ("order-due", an_order_that_outlives_its_time),
    ("order-paid", confirmed_for_less),
    ("order-paid", confirmed_without_a_payment),
    ("payment-begun", an_order_that_payments_never_heard_of),
    ("payment-intent", an_authorisation_that_never_ends),
    ("payment-order", an_authorisation_that_nobody_told),
    ("payment-history", a_payment_that_skips_the_authorisation),
    ("capture-shipped", a_parcel_that_nobody_paid_for),
    ("capture-once", captured_twice),
    ("capture-once", captured_too_much),
    ("cancelled-closed", cancelled_and_still_held),
    ("cancelled-net", cancelled_and_charged),
    ("refund-begun", a_refund_that_nobody_began),
    ("books-agree", a_charge_that_is_not_in_the_books),
    ("books-agree", a_charge_over_another_amount),
    ("charge-order", a_charge_without_an_order),
    ("record-order", a_parcel_without_an_order),
    ("parcel-agrees", a_parcel_with_something_else),
    ("parcel-agrees", a_shipped_order_in_the_house),
    ("parcel-follows", a_confirmed_order_that_nobody_packs),
    ("parcel-follows", a_cancelled_order_that_is_packed),
    ("parcel-history", a_parcel_that_left_twice),
    ("mail-left", a_mail_that_never_left),
    ("mail-left", a_mail_that_hangs),
    ("cart-rev", a_cart_that_changed_by_itself),
    ("cart-rev", a_cart_that_lost_a_change),
    ("cart-merged", a_merged_cart_with_lines),
    ("cart-merged", a_merge_into_another_cart),
    ("merge-arrived", lines_that_never_arrived),
    ("receipt-terminal", an_operation_that_never_ends),
    ("receipt-terminal", an_operation_that_missed_its_end),
    ("outbox-empty", a_message_that_is_never_sent),
    ("queue-empty", a_queue_that_nobody_works_off),
    ("letter-receipt", a_failure_without_a_letter),
    ("letter-receipt", a_letter_without_a_failure),
)

"""Stock, movements, titles and orders."""

from tests.ops.test_check.plants import Plants
from tests.ops.test_check.violations.common import TITLE, received


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


async def a_sale_that_was_refused(plants: Plants) -> str:
    """A message sold copies, and its receipt says that it was rejected."""
    movement = await plants.one("movements", {"reason": "sold"})
    receipt = f"orders/{movement['cause']}"
    row = await plants.one("receipts", receipt)
    await plants.change("receipts", receipt, {"$set": {"status": "rejected"}})
    # That the order changed with it is another promise: a second receipt keeps that one.
    await received(plants, row["key"], row["rev"])
    return receipt


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
    for rev in (3, 4):
        await received(plants, order["_id"], rev)
    await plants.change("orders", order["_id"], {"$set": {"history": path, "rev": 4}})
    return str(order["_id"])


async def a_change_that_left_no_history(plants: Plants) -> str:
    """Its rev counts one change more."""
    await plants.change("orders", plants.orders["confirmed"], {"$inc": {"rev": 1}})
    await received(plants, plants.orders["confirmed"], 3)
    return plants.orders["confirmed"]


async def a_line_that_is_not_in_the_total(plants: Plants) -> str:
    """A price was changed after the order was placed."""
    await plants.change("orders", plants.orders["declined"], {"$inc": {"lines.0.unit_price": 1}})
    return plants.orders["declined"]


async def a_title_that_changed_by_itself(plants: Plants) -> str:
    """A record without a message."""
    await plants.change("books", TITLE, {"$inc": {"rev": 1}})
    return TITLE


async def an_order_that_lost_a_change(plants: Plants) -> str:
    """A receipt tells of a revision that the order never reached."""
    await received(plants, plants.orders["confirmed"], 3)
    return plants.orders["confirmed"]


async def an_order_that_changed_by_itself(plants: Plants) -> str:
    """The command that asked for its refund has no receipt: its operation stays open for ever."""
    await plants.database["receipts"].delete_one({"type": "CancelOrder", "key": plants.orders["refunded"]})
    return plants.orders["refunded"]

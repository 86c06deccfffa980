"""Merges that are refused at their second step, end to end: nothing that was put into a cart is lost."""

import asyncio
from typing import Any

from broker.messages import AddItem, MergeCart, RemoveItem, Sender
from broker.outbox import derived_id
from broker.replies import Replies
from documents.carts import LINES_MAX
from handlers.carts import CARTS
from handlers.catalog import CATALOG
from tests.broker.house import ISBN, House, add, shopper

PARTITIONS = tuple(f"carts.{n}" for n in range(8))


async def fill(house: House, cart_id: str) -> None:
    """Puts as many titles into a cart as it takes, none of them `ISBN`."""
    line = {"title": "T", "quantity": 1, "unit_price": 1000}
    await house.database.carts.insert_one(
        {
            "_id": cart_id,
            "rev": LINES_MAX,
            "status": "open",
            "currency": "EUR",
            "lines": {f"{number:013}": line for number in range(LINES_MAX)},
        }
    )


async def test_a_merge_into_a_full_cart_gives_the_lines_back_before_its_sender_hears(house: House) -> None:
    """The operation is rejected with its third step: by then the source is open, as it was, and takes commands."""
    await house.sell()
    replies = Replies("test")
    await replies.consume(await house.channel())
    guest = Sender("guest:g", holds=("g",))
    sender, cart_id = shopper(1)
    await fill(house, cart_id)
    await house.worker(CARTS, CATALOG)
    await house.send(add("g", 2), guest)
    future = replies.expect("merge")
    both = Sender(sender.id, holds=("g",))
    await house.send(
        MergeCart(cart_id="g", into=cart_id), both, "merge", reply_to=replies.queue, fingerprint="f"
    )
    reply = await asyncio.wait_for(future, 10)
    assert (reply.status, reply.message_id, reply.fingerprint) == ("rejected", "merge", "f")
    assert reply.problem is not None
    assert (reply.problem["code"], reply.problem["cart_id"]) == ("cart_full", cart_id)
    source = await house.cart("g")
    assert (source["status"], source["merged_into"], source["rev"]) == ("open", None, 3)
    assert source["lines"][ISBN]["quantity"] == 2
    receipt = await house.receipt("merge")
    assert (receipt["status"], receipt["problem"]) == ("rejected", reply.problem)
    absorb = derived_id("merge", "AbsorbCart", 0)
    steps = await house.receipts([absorb, derived_id(absorb, "ReopenCart", 0)])
    assert [(each["type"], each["status"]) for each in steps] == [
        ("AbsorbCart", "rejected"),
        ("ReopenCart", "rejected"),
    ]
    assert len((await house.cart(cart_id))["lines"]) == LINES_MAX
    taken_out = await house.send(RemoveItem(cart_id="g", isbn=ISBN), guest)
    assert (await house.receipt(taken_out))["status"] == "succeeded"
    await house.empty(*PARTITIONS)


async def test_carts_merged_into_each_other_at_once_lose_nothing(house: House) -> None:
    """Each is closed for the other: whatever the outcomes, every copy is in one of the two, and no cart hangs."""
    await house.sell()
    await house.worker(CARTS, CATALOG)
    pairs = [(f"a{n}", f"b{n}") for n in range(10)]
    for pair in pairs:
        for name in pair:
            await house.send(
                AddItem(cart_id=name, isbn=ISBN, quantity=1), Sender(f"guest:{name}", holds=(name,))
            )
    merges = []
    for one, two in pairs:
        for source, target in ((one, two), (two, one)):
            both = Sender(f"guest:{target}", holds=(one, two))
            merges.append(await house.send(MergeCart(cart_id=source, into=target), both))
    for merge in merges:
        assert (await house.receipt(merge))["status"] in {"succeeded", "rejected"}
    for pair in pairs:
        carts: list[dict[str, Any]] = [await house.cart(name) for name in pair]
        copies = sum(line["quantity"] for cart in carts for line in cart["lines"].values())
        assert copies == 2, carts
        assert "open" in {cart["status"] for cart in carts}
    await house.empty(*PARTITIONS)

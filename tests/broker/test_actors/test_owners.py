"""Actors: documents that others change or nobody can read, and two who believe that they own a partition."""

import asyncio

from broker.groups import Desk, Effects
from broker.messages import (
    AddItem,
    MergeCart,
    RemoveItem,
    Sender,
)
from broker.replies import Replies
from documents.carts import Cart
from handlers.carts import CARTS, add_item
from handlers.catalog import CATALOG
from tests.broker.house import ISBN, House, add, cut, shopper, until
from tests.broker.test_actors.groups import carts_with


async def test_a_document_that_cannot_be_read_fails_its_own_messages_only(house: House) -> None:
    """A cart of another shape: its command is dead-lettered, the neighbours' carts are worked off."""
    await house.sell()
    sender, cart_id = shopper(1)
    other, other_cart = shopper(2)
    await house.database.carts.insert_one({"_id": cart_id, "rev": 1, "lines": "none"})
    ids = [await house.send(add(cart_id), sender), await house.send(add(other_cart), other)]
    await house.worker(CARTS)
    assert [receipt["status"] for receipt in await house.receipts(ids)] == ["failed", "succeeded"]


async def test_a_document_changed_behind_the_loops_back_is_read_again(house: House) -> None:
    """The fence: another owner wrote between reading and writing; the command is applied to what is there now."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    pymongo = house.sync_database()
    sender, cart_id = shopper(1)

    def meanwhile(cart: Cart, command: AddItem, desk: Desk) -> Effects:
        if not changed.is_set():
            line = {"title": "T", "quantity": 40, "unit_price": 1}
            update = {"$set": {f"lines.{ISBN}": line, "currency": "EUR"}, "$inc": {"rev": 1}}
            pymongo.carts.update_one({"_id": cart_id}, update)
            loop.call_soon(changed.set)
            changed.set()
        return add_item(cart, command, desk)

    await house.sell()
    first = await house.worker(CARTS)
    await house.receipt(await house.send(add(cart_id), sender))
    await house.stop(first)
    await house.worker(carts_with(meanwhile))
    receipt = await house.receipt(await house.send(add(cart_id, 2), sender))
    assert (receipt["rev"], receipt["attempts"]) == (3, 1)
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 42


async def test_two_owners_of_a_partition_do_everything_once_and_in_order(house: House) -> None:
    """A worker loses its connection in the middle and goes on with what it holds while another one takes over."""
    await house.sell()
    first = await house.worker(CARTS)
    await house.worker(CARTS)

    async def shop(number: int) -> list[str]:
        sender, cart_id = shopper(number)
        return [await house.send(add(cart_id), sender) for _ in range(25)]

    async def cutting() -> None:
        for _ in range(3):
            await until(lambda: house.database.receipts.find_one({}), "a receipt")
            await cut(first)

    sent, _ = await asyncio.gather(asyncio.gather(*(shop(number) for number in range(16))), cutting())
    for number, ids in enumerate(sent):
        assert [receipt["rev"] for receipt in await house.receipts(ids)] == list(range(1, 26))
        assert (await house.cart(shopper(number)[1]))["lines"][ISBN]["quantity"] == 25
    await house.empty(*PARTITIONS)


PARTITIONS = tuple(f"carts.{n}" for n in range(8))


async def test_a_merge_ends_with_its_second_step(house: House) -> None:
    """It is pending until the lines have arrived; then it has the target's revision, and its sender hears."""
    await house.sell()
    replies = Replies("test")
    await replies.consume(await house.channel())
    guest = Sender("guest:g", holds=("g",))
    sender, cart_id = shopper(1)
    both = Sender(sender.id, holds=("g",))
    worker = await house.worker(CARTS, CATALOG)
    await house.send(add("g", 2), guest)
    await house.send(add(cart_id, 1), sender)
    future = replies.expect("merge")
    await house.send(
        MergeCart(cart_id="g", into=cart_id), both, "merge", reply_to=replies.queue, fingerprint="f"
    )
    reply = await asyncio.wait_for(future, 10)
    receipt = await house.receipt("merge")
    assert (reply.status, reply.message_id, reply.fingerprint) == ("succeeded", "merge", "f")
    assert (receipt["status"], receipt["rev"], receipt["resource"]) == ("succeeded", 2, f"carts/{cart_id}")
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 3
    closed = await house.cart("g")
    assert (closed["status"], closed["lines"]) == ("merged", {})
    gone = await house.send(RemoveItem(cart_id="g", isbn=ISBN), guest)
    assert (await house.receipt(gone))["problem"]["code"] == "cart_merged"
    assert worker.healthy

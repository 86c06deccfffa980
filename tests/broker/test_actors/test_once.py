"""Actors: order, exactly once, and what whoever waits is told."""

import asyncio
from collections.abc import Sequence

from broker.groups import Desk, Effects
from broker.messages import (
    CancelOrder,
    SetItem,
)
from broker.replies import Replies
from broker.telemetry import Round, Telemetry, Traced
from documents.carts import Cart
from handlers.carts import CARTS
from handlers.orders import ORDERS
from tests.broker.house import ISBN, House, add, place, shopper
from tests.broker.test_actors.groups import carts_with


async def test_commands_of_one_cart_take_effect_in_the_order_of_their_acceptance(house: House) -> None:
    """64 carts at once, each sees its own commands one by one, in batches of many."""
    await house.sell()
    sizes: list[int] = []
    seen: dict[str, list[int]] = {}

    class Sizes(Telemetry):
        def round(self, name: str, members: Sequence[Traced]) -> Round:
            sizes.append(len(members))
            return super().round(name, members)

    def noted(cart: Cart, command: SetItem, desk: Desk) -> Effects:
        seen.setdefault(desk.envelope.id, []).append(cart.rev)
        return CARTS.handlers[SetItem](cart, command, desk)

    async def shop(number: int) -> list[str]:
        sender, cart_id = shopper(number)
        return [
            await house.send(SetItem(cart_id=cart_id, isbn=ISBN, quantity=n + 1), sender, f"{number}-{n}")
            for n in range(12)
        ]

    sent = await asyncio.gather(*(shop(number) for number in range(64)))
    await house.worker(carts_with(noted, SetItem), telemetry=Sizes())
    for number, ids in enumerate(sent):
        receipts = await house.receipts(ids)
        assert [receipt["rev"] for receipt in receipts] == list(range(1, 13))
        assert (await house.cart(shopper(number)[1]))["lines"][ISBN]["quantity"] == 12
    assert max(sizes) > 20
    await house.empty("carts.0", "carts.7")


async def test_an_id_that_comes_twice_takes_effect_once_and_is_answered_twice(house: House) -> None:
    """In one batch, in a later one, and after a restart: the same outcome, one effect."""
    await house.sell()
    sender, cart_id = shopper(1)
    for _ in range(2):
        await house.send(add(cart_id), sender, "twice")
    first = await house.worker(CARTS)
    receipt = await house.receipt("twice")
    await house.send(add(cart_id), sender, "twice")
    after = await house.send(add(cart_id), sender)
    await house.receipt(after)
    await house.stop(first)
    await house.worker(CARTS)
    await house.send(add(cart_id, 5), sender, "twice")
    last = await house.send(add(cart_id), sender)
    await house.receipt(last)
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 3
    assert await house.receipt("twice") == receipt
    await house.empty("carts.0")


async def test_who_waits_is_answered_with_the_receipt_also_the_second_time(house: House) -> None:
    """The reply carries status, resource, revision and fingerprint; a repeat gets the same."""
    await house.sell()
    sender, cart_id = shopper(1)
    replies = Replies("test")
    channel = await house.channel()
    await replies.consume(channel)
    await house.worker(CARTS)
    answers = []
    for _ in range(2):
        future = replies.expect("m1")
        await house.send(add(cart_id), sender, "m1", reply_to=replies.queue, fingerprint="f")
        answers.append(await asyncio.wait_for(future, 10))
    assert answers[0] == answers[1]
    assert (answers[0].status, answers[0].resource, answers[0].rev) == ("succeeded", f"carts/{cart_id}", 1)
    assert answers[0].fingerprint == "f"


async def test_a_refused_command_leaves_a_receipt_with_its_code(house: House) -> None:
    """`not_for_sale`, `not_permitted`, `cart_empty`, `not_found`: outcomes, not errors; nothing is written but that."""
    await house.sell()
    await house.worker(CARTS, ORDERS)
    sender, cart_id = shopper(1)
    stranger, _ = shopper(2)
    ids = [
        await house.send(add(cart_id, isbn="9786600000011"), sender),
        await house.send(add(cart_id), stranger),
        await house.send(place(cart_id, "o1"), sender),
    ]
    assert [receipt["problem"]["code"] for receipt in await house.receipts(ids)] == [
        "not_for_sale",
        "not_permitted",
        "cart_empty",
    ]
    unknown = await house.receipt(await house.send(CancelOrder(order_id="none"), sender), "orders")
    assert (unknown["status"], unknown["problem"]["code"]) == ("rejected", "not_found")
    assert await house.database.carts.count_documents({}) == 0

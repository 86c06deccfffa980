"""Actors: what is refused in place waits, and only its actor with it."""

from broker.groups import Desk, Effects, Transient
from broker.messages import (
    SYSTEM,
    AddItem,
    CancelOrder,
    PaymentAuthorized,
)
from documents.carts import Cart
from handlers.carts import add_item
from handlers.orders import ORDERS
from tests.broker.house import ALL, ISBN, House, add, place, shopper, until
from tests.broker.test_actors.groups import carts_with


async def test_a_refused_event_waits_in_place_and_only_its_actor_with_it(house: House) -> None:
    """An event about an order that is not there yet: the order's other messages queue up behind it, others go on."""
    await house.sell()
    await house.worker(*ALL)
    early = await house.send(PaymentAuthorized(order_id="late", amount=1, currency="EUR"))
    behind = await house.send(CancelOrder(order_id="late"), SYSTEM)
    other = await house.send(CancelOrder(order_id="other"), SYSTEM)
    assert (await house.receipt(other, "orders"))["problem"]["code"] == "not_found"
    assert await house.database.receipts.count_documents({"message_id": {"$in": [early, behind]}}) == 0
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender)
    await house.send(place(cart_id, "late"), sender)
    assert (await house.receipt(early, "orders"))["attempts"] > 1
    assert (await house.receipt(behind, "orders"))["status"] == "succeeded"
    order = await house.database.orders.find_one({"_id": "late"})
    assert order is not None
    assert [change["status"] for change in order["history"]] == ["placed", "confirmed", "cancelled"]


async def test_an_event_that_is_refused_for_too_long_is_dead_lettered_and_its_followers_go_on(
    house: House,
) -> None:
    """The limit passed, it stands in orders.dead as spent, with the attempts it had."""
    await house.worker(ORDERS, in_place_limit_s=0.3)
    lost = await house.send(PaymentAuthorized(order_id="never", amount=1, currency="EUR"))
    behind = await house.send(CancelOrder(order_id="never"), SYSTEM)
    failed = await house.receipt(lost, "orders")
    letter = await house.get("orders.dead")
    assert letter.headers["x-quire-reason"] == "attempts spent"
    assert letter.headers["x-quire-attempts"] == failed["attempts"] > 1
    assert str(letter.headers["x-quire-first-failed-at"]) < str(letter.headers["x-quire-last-failed-at"])
    assert (await house.receipt(behind, "orders"))["problem"]["code"] == "not_found"


async def test_one_actor_holds_back_at_most_half_of_a_partitions_prefetch(house: House) -> None:
    """Behind a mailbox that waits, 49 may gather; then its head has waited long enough, and they go on."""
    calls: list[str] = []

    def waits(cart: Cart, command: AddItem, desk: Desk) -> Effects:
        calls.append(desk.envelope.id)
        if desk.envelope.id == "head":
            raise Transient("not now")
        return add_item(cart, command, desk)

    await house.sell()
    await house.worker(carts_with(waits))
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender, "head")

    async def tried() -> bool:
        return bool(calls)

    await until(tried, "a first attempt")
    ids = [await house.send(add(cart_id), sender) for _ in range(60)]
    assert (await house.receipt("head"))["status"] == "failed"
    assert {receipt["status"] for receipt in await house.receipts(ids)} == {"succeeded"}
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 60

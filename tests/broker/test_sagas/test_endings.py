"""Refunds, lost answers, and who may end an order."""

from broker.messages import ExpireOrder
from tests.broker.house import ISBN, shopper
from tests.broker.test_sagas.road import STOCK, Saga


async def test_a_refund_after_shipping(saga: Saga) -> None:
    """Asked for before the capture is recorded, it waits for it; captured once, refunded once, goods stay sold."""
    await saga.worker()
    order_id = await saga.order()
    await saga.comes_to(order_id, "confirmed")
    dispatched = await saga.dispatch(order_id)
    assert (await saga.house.receipt(dispatched, "shipments"))["status"] == "succeeded"
    asked = await saga.cancel(order_id)
    await saga.comes_to(order_id, "refunded")
    assert (await saga.house.receipt(asked, "orders"))["status"] == "succeeded"
    assert await saga.books(order_id) == ["authorized", "captured", "refunded"]
    assert await saga.stock() == (STOCK - 1, 0)
    again = await saga.cancel(order_id)
    assert (await saga.house.receipt(again, "orders"))["problem"]["code"] == "cannot_cancel"


async def test_lost_answers_and_failures_end_confirmed_and_charged_once(saga: Saga) -> None:
    """With the real limits: the answer of one never arrives, the other fails twice; both are confirmed in the end."""
    await saga.worker()
    orders = [await saga.order(token) for token in ("tok_lost", "tok_flaky")]
    for order_id in orders:
        await saga.comes_to(order_id, "confirmed")
        assert await saga.books(order_id) == ["authorized"]
    await saga.house.empty()
    assert await saga.stock() == (STOCK, 2)


async def test_only_the_shop_expires(saga: Saga) -> None:
    """A shopper's own ExpireOrder is refused, and the order goes on."""
    await saga.worker()
    order_id = await saga.order()
    await saga.comes_to(order_id, "confirmed")
    sent = await saga.house.send(ExpireOrder(order_id=order_id), shopper(1)[0])
    assert (await saga.house.receipt(sent, "payments"))["status"] == "rejected"
    assert (await saga.comes_to(order_id, "confirmed"))["lines"][0]["isbn"] == ISBN

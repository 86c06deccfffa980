"""Cancellations, in every order with payment and shipment."""

import asyncio

from broker.messages import PaymentAuthorized
from tests.broker.house import until
from tests.broker.test_sagas.road import CARD, NET, PATIENCE_S, STOCK, Saga


async def test_cancelled_while_its_authorisation_is_on_its_way(saga: Saga) -> None:
    """The cancellation is first: the key is closed, and what arrives later holds nothing."""
    await saga.worker()
    saga.road.there.clear()
    order_id = await saga.order()
    await saga.payment_comes_to(order_id, "authorising")
    await saga.cancel(order_id)
    await saga.comes_to(order_id, "cancelled")
    await saga.payment_comes_to(order_id, "voided")
    saga.road.there.set()
    await saga.house.empty()
    assert await saga.books(order_id) == ["voided"]
    assert await saga.stock() == (STOCK, 0)


async def test_cancelled_while_the_answer_is_on_its_way(saga: Saga) -> None:
    """The charge is first: it is voided, and the late answer confirms nothing."""
    await saga.worker()
    saga.road.back.clear()
    order_id = await saga.order()

    async def charged() -> bool:
        return await saga.books(order_id) == ["authorized"]

    await until(charged, "the charge in the books")
    await saga.cancel(order_id)
    await saga.payment_comes_to(order_id, "voided")
    saga.road.back.set()
    await saga.house.empty()
    assert (await saga.comes_to(order_id, "cancelled"))["status"] == "cancelled"
    assert await saga.books(order_id) == ["authorized", "voided"]
    assert await saga.stock() == (STOCK, 0)


async def test_a_late_authorisation_of_a_cancelled_order_is_voided(saga: Saga) -> None:
    """The news of the charge reaches an order that was cancelled before payments heard of it."""
    first = await saga.worker("payments")
    order_id = await saga.order()
    total = (await saga.comes_to(order_id, "placed"))["total"]
    await saga.road.authorise(order_id, total, "EUR", CARD)  # by a worker that died before it could say so
    await saga.cancel(order_id)
    await saga.comes_to(order_id, "cancelled")
    await saga.house.stop(first)
    await saga.worker()
    await saga.house.send(PaymentAuthorized(order_id=order_id, amount=total, currency="EUR"))

    async def voided() -> bool:
        return await saga.books(order_id) == ["authorized", "voided"]

    await until(voided, "the charge to be voided", PATIENCE_S)
    await saga.house.empty()
    assert (await saga.comes_to(order_id, "cancelled"))["status"] == "cancelled"
    assert await saga.stock() == (STOCK, 0)


async def test_cancellation_and_payment_at_once(saga: Saga) -> None:
    """Twenty orders, each cancelled as it is paid: all cancelled, no net charge, no stock held."""
    await saga.worker()
    await saga.worker()

    async def buy_and_regret() -> str:
        order_id = await saga.order()
        await saga.cancel(order_id)
        return order_id

    for order_id in await asyncio.gather(*(buy_and_regret() for _ in range(20))):
        await saga.comes_to(order_id, "cancelled")
        await saga.payment_comes_to(order_id, "voided")
        assert sum(NET[entry] for entry in (await saga.books(order_id))[-1:]) == 0
    assert await saga.stock() == (STOCK, 0)


async def test_cancellation_and_shipment_at_once(saga: Saga) -> None:
    """Whichever is first wins: either no parcel left and the payment is void, or it left and the money went back."""
    await saga.worker()
    await saga.worker()
    orders = [await saga.order() for _ in range(20)]
    for order_id in orders:
        await saga.comes_to(order_id, "confirmed")

    async def race(number: int, order_id: str) -> tuple[str, str]:
        if number % 2:
            return await saga.cancel(order_id), await saga.dispatch(order_id)
        dispatched = await saga.dispatch(order_id)
        return await saga.cancel(order_id), dispatched

    races = await asyncio.gather(*(race(number, order_id) for number, order_id in enumerate(orders)))
    left = 0
    for order_id, (_, dispatched) in zip(orders, races, strict=True):
        order = await saga.comes_to(order_id, "cancelled", "refunded")
        receipt = await saga.house.receipt(dispatched, "shipments")
        if order["status"] == "refunded":
            left += 1
            assert receipt["status"] == "succeeded"
            assert await saga.books(order_id) == ["authorized", "captured", "refunded"]
        else:
            assert receipt["status"] == "rejected"
            await saga.payment_comes_to(order_id, "voided")
            assert await saga.books(order_id) == ["authorized", "voided"]
    assert await saga.stock() == (STOCK - left, 0)

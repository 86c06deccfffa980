"""Orders that nobody pays for."""

from tests.broker.house import until
from tests.broker.test_sagas.road import PATIENCE_S, STOCK, Saga


async def test_an_unpaid_order_expires_and_its_stock_comes_back(saga: Saga) -> None:
    """The gateway is asked first; once it has no charge the key is closed, and a late authorisation finds it so."""
    await saga.worker()
    saga.road.there.clear()  # the authorisation is on its way, and takes for ever
    order_id = await saga.order()
    await saga.payment_comes_to(order_id, "authorising")
    await saga.due(order_id)
    cancelled = await saga.comes_to(order_id, "cancelled")
    assert cancelled["history"][-1]["reason"] == "not paid in time"
    saga.road.there.set()  # it arrives after all
    assert await saga.stock() == (STOCK, 0)
    await saga.payment_comes_to(order_id, "expired", "voided")
    await saga.house.empty()
    assert await saga.books(order_id) == ["voided"]


async def test_a_due_order_waits_for_a_gateway_that_does_not_answer(saga: Saga) -> None:
    """Nothing is guessed: it stays placed until the books can be read, and they know of a charge."""
    await saga.worker()
    saga.road.back.clear()  # charged, and the answer is lost
    order_id = await saga.order()

    async def charged() -> bool:
        return await saga.books(order_id) == ["authorized"]

    await until(charged, "the charge in the books")
    saga.road.down = True
    await saga.due(order_id)

    async def asked_in_vain() -> bool:
        return (
            await saga.house.waiting("payments.retry.1s") + await saga.house.waiting("payments.retry.10s") > 0
        )

    await until(asked_in_vain, "the question to wait in a retry queue", PATIENCE_S)
    assert (await saga.comes_to(order_id, "placed"))["status"] == "placed"
    saga.road.down = False
    await saga.comes_to(order_id, "confirmed")
    saga.road.back.set()
    await saga.house.empty()
    assert await saga.books(order_id) == ["authorized"]
    assert await saga.stock() == (STOCK, 1)


async def test_an_expiry_is_asked_once_however_many_look(saga: Saga) -> None:
    """Its id is the order's, so one receipt answers all."""
    await saga.worker("payments")
    order_id = await saga.order()
    await saga.due(order_id)
    await saga.due(order_id)
    await saga.worker()
    await saga.comes_to(order_id, "confirmed", "cancelled")
    await saga.house.empty()
    await saga.house.receipt(f"expire:{order_id}", "payments")
    receipts = saga.house.database.receipts
    assert await receipts.count_documents({"message_id": f"expire:{order_id}"}) == 1

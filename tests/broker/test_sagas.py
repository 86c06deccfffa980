"""Orders to their end, whatever races what: real groups, broker, database and the gateway's own books."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from broker.messages import CancelOrder, DispatchShipment, ExpireOrder, PaymentAuthorized
from broker.runtime import Runtime
from documents.actors import utc_now
from handlers.carts import CARTS
from handlers.expiry import expiring
from handlers.orders import ORDERS
from handlers.payments import Charge, GatewayUnreachable, SimulatedGateway, payments
from handlers.shipments import SHIPMENTS
from tests.broker.house import ISBN, Database, Group, House, add, place, shopper, unordered, until

PATIENCE_S = 30.0
STOCK = 100
CARD = "tok_ok"
NET = {"authorized": 1, "captured": 1, "voided": 0, "refunded": 0, "declined": 0}


class Road(SimulatedGateway):
    """The gateway, at the end of a road that can be closed before and after it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.there, self.back = asyncio.Event(), asyncio.Event()
        self.there.set()
        self.back.set()
        self.asked = 0
        self.down = False

    async def authorise(self, key: str, amount: int, currency: str, token: str) -> Charge:
        """The call goes there, and its answer back."""
        self.asked += 1
        self._require_open(key)
        await self.there.wait()
        charge = await super().authorise(key, amount, currency, token)
        await self.back.wait()
        return charge

    async def find(self, key: str) -> Charge | None:
        """As the books, where they can be reached."""
        self._require_open(key)
        return await super().find(key)

    async def void(self, key: str) -> Charge:
        """As the gateway, where it can be reached."""
        self._require_open(key)
        return await super().void(key)

    def _require_open(self, key: str) -> None:
        if self.down:
            raise GatewayUnreachable(f"nobody answers {key}")


class Saga:
    """A shop in which orders go their way."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.road = Road(house.workers_database)
        self.placed = 0

    @property
    def groups(self) -> tuple[Group, ...]:
        """Every group that an order meets."""
        return (CARTS, ORDERS, payments(self.road), SHIPMENTS, unordered("notifications"))

    async def worker(self, *without: str) -> Runtime:
        """A worker of all these groups but some."""
        return await self.house.worker(*(group for group in self.groups if group.name not in without))

    async def order(self, token: str = CARD) -> str:
        """An order of one copy, placed; its id."""
        self.placed += 1
        sender, cart_id = shopper(self.placed)
        order_id = f"o{self.placed}"
        await self.house.send(add(cart_id), sender)
        sent = await self.house.send(place(cart_id, order_id, payment_token=token), sender)
        assert (await self.house.receipt(sent))["status"] == "succeeded"
        return order_id

    async def cancel(self, order_id: str) -> str:
        """A cancellation; its message's id."""
        return await self.house.send(CancelOrder(order_id=order_id))

    async def dispatch(self, order_id: str) -> str:
        """A parcel that is handed over; its message's id."""
        return await self.house.send(
            DispatchShipment(order_id=order_id, carrier="Demo Post", tracking_number=order_id)
        )

    async def comes_to(self, order_id: str, *statuses: str) -> dict[str, Any]:
        """The order, once it is in one of these states."""

        async def there() -> Any:
            return await self.house.database.orders.find_one({"_id": order_id, "status": {"$in": statuses}})

        found: dict[str, Any] = await until(there, f"{order_id} to be {' or '.join(statuses)}", PATIENCE_S)
        return found

    async def payment_comes_to(self, order_id: str, *statuses: str) -> None:
        """Returns once what we know of its money is that."""

        async def there() -> Any:
            return await self.house.database.payments.find_one({"_id": order_id, "status": {"$in": statuses}})

        await until(there, f"the payment of {order_id} to be {' or '.join(statuses)}", PATIENCE_S)

    async def books(self, order_id: str) -> list[str]:
        """The gateway's entries of an order."""
        return [
            entry["entry"]
            async for charge in self.road.ledger()
            if charge["_id"] == order_id
            for entry in charge["entries"]
        ]

    async def due(self, order_id: str) -> None:
        """A quarter of an hour passes, and two workers look for due orders."""
        passed = utc_now() - timedelta(seconds=1)  # a look in the same millisecond would not find it yet
        await self.house.database.orders.update_one({"_id": order_id}, {"$set": {"due_at": passed}})
        look = expiring(self.house.publisher)
        assert sum(await asyncio.gather(look(), look())) == 2

    async def stock(self) -> tuple[int, int]:
        """How many copies are on hand and reserved, after checking that the ledger sums to it."""
        stock = await self.house.balanced()
        return stock["on_hand"], stock["reserved"]


@pytest.fixture
async def saga(house: House) -> AsyncIterator[Saga]:
    """A shop with a hundred copies of one title, and no worker yet."""
    await house.sell(stock=STOCK)
    saga = Saga(house)
    yield saga
    for runtime in tuple(house.runtimes):
        await house.stop(runtime)
    client = house.database.client
    await client.drop_database(f"{house.workers_database.name}_gateway")


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

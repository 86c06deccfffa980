"""A shop in which messages and the gateway's answers can be held back."""

import asyncio
from datetime import timedelta
from typing import Any

from broker.messages import CancelOrder, DispatchShipment
from broker.runtime import Runtime
from documents.actors import utc_now
from handlers.carts import CARTS
from handlers.expiry import expiring
from handlers.orders import ORDERS
from handlers.payments import Charge, GatewayUnreachable, SimulatedGateway, payments
from handlers.shipments import SHIPMENTS
from tests.broker.house import Database, Group, House, add, place, shopper, unordered, until

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

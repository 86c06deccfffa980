"""Shoppers, staff and a carrier: carts are filled, merged and ordered; orders cancelled, shipped and sent back."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from ops.demo.shop import ADDRESS
from tests.faults.client import ANSWER_WITHIN_S, Client, shown
from tests.faults.history import Cart, Kind, Op, Outcome
from tests.faults.model import State, final_states
from tests.faults.stand import Stand

TITLES = 40
POPULAR = 4  # half of what is bought
SCARCE = 60
SHOPPERS = 48
TOKENS = {"tok_ok": 78, "tok_declined": 9, "tok_flaky": 7, "tok_slow": 3, "tok_lost": 3}
KINDS: dict[Kind, int] = {"add": 58, "set": 20, "remove": 14, "clear": 8}


@dataclass(slots=True)
class Bought:
    """An order that was accepted: the token it was paid with, what opens it, and whether its shopper cancelled it."""

    id: str
    payment: str
    token: str
    cancelled: bool = False


@dataclass(slots=True)
class Left:
    """A cart after its visit: what it may hold, once nothing more happens to it."""

    id: str
    token: str
    states: frozenset[State]


@dataclass
class Load:
    """The shop's visitors. `orders` of the shop's database must be exactly `bought`; carts must be as `left` says."""

    stand: Stand
    seed: int
    orders_wanted: int
    seconds: float = 0.0  # over which they are to be spread
    titles: int = TITLES
    shoppers: int = SHOPPERS
    copies: int = 1_000_000  # of all titles but the three scarcest
    tokens: dict[str, int] = field(default_factory=lambda: dict(TOKENS))
    merges: float = 0.12  # of the visits
    cancels: float = 0.08  # of the orders, by their shopper, at once
    bought: dict[str, Bought] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    ops: list[tuple[str, float, float, str]] = field(
        default_factory=list
    )  # cart, invoked, completed, outcome
    on_order: Callable[[], None] = lambda: None
    _keys: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.isbns = [isbn_of(number) for number in range(self.titles)]
        self.opened = asyncio.Event()  # somebody has put something into a cart
        self.finish = asyncio.Event()
        self.begun = time.monotonic()

    async def run(self) -> None:
        """Visits until the orders are there and `finish` is set; every operation is settled when it returns."""
        self.begun = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
            self.client = Client(http, self.stand.urls, self.rng)
            staff = asyncio.create_task(self._carry())
            try:
                async with asyncio.TaskGroup() as shoppers:
                    for _ in range(self.shoppers):
                        shoppers.create_task(self._shop())
            finally:
                staff.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await staff

    async def stock_up(self) -> None:
        """Puts the catalogue in."""
        async with aiohttp.ClientSession() as http:
            client = Client(http, self.stand.urls, self.rng)
            await asyncio.gather(*(self._put(client, place) for place in range(len(self.isbns))))

    async def _put(self, client: Client, place: int) -> None:
        scarce = place >= len(self.isbns) - 3
        record = {
            "title": f"Volume {place}",
            "price": {"amount": 1000 + place, "currency": "EUR"},
            "stock": min(self.copies, SCARCE) if scarce else self.copies,
        }
        op = Op("set", request=("PUT", f"/books/{self.isbns[place]}", record), headers=self._staff())
        await client.send(op, wait_s=20, patient=True)
        await client.settle(op)
        assert op.outcome is Outcome.OK, op

    def _staff(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.stand.operator_token}", **self.key()}

    def key(self) -> dict[str, str]:
        self._keys += 1
        return {"Idempotency-Key": f"{self.seed}-{self._keys}"}

    @property
    def enough(self) -> bool:
        """Whether as many orders were bought as were asked for, and nobody asks for more."""
        return self.finish.is_set() and len(self.bought) >= self.orders_wanted

    @property
    def _ahead(self) -> bool:
        """Whether more was bought than the time that went by asks for."""
        if self.finish.is_set() or not self.seconds:
            return False
        part = (time.monotonic() - self.begun) / self.seconds
        return len(self.bought) > part * self.orders_wanted

    async def _shop(self) -> None:
        while not self.enough:
            try:
                await Visit(self).run()
            except AssertionError as error:
                self.wrong.append(str(error))
            while self._ahead:  # noqa: ASYNC110 - of the clock
                await asyncio.sleep(0.1)

    async def _carry(self) -> None:
        """Staff and carrier: some confirmed orders are shipped, some of those reported on or sent back."""
        begun: set[str] = set()
        while True:
            await asyncio.sleep(0.5)
            for status in ("confirmed", "shipped"):
                path = f"/admin/orders?status={status}&limit=20"
                code, page = await self.client.ask("GET", path, self._staff())
                if code != 200:
                    continue
                for order in page["items"]:
                    if (mark := f"{status}/{order['id']}") not in begun and self.rng.random() < 0.5:
                        await self._handle(order["id"], status)
                    begun.add(mark)

    async def _handle(self, order_id: str, status: str) -> None:
        if status == "confirmed":
            body: dict[str, Any] = {"carrier": "Post", "tracking_number": order_id[:12]}
            path = f"/orders/{order_id}/shipments"
        elif self.rng.random() < 0.2:
            body, path = {"reason": "sent back"}, f"/orders/{order_id}/cancel"
            if order_id in self.bought:
                self.bought[order_id].cancelled = True
        else:
            body, path = (
                {"status": self.rng.choice(["in_transit", "delivered"])},
                f"/shipments/{order_id}/events",
            )
        op = Op("set", request=("POST", path, body), headers=self._staff())
        await self.client.send(op, wait_s=self.rng.choice([0, 0, 5]), patient=False)


class Visit:
    """One shopper's visit: one or two carts, from the first title to the order."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.rng = load.rng
        self.carts: list[Cart] = []

    async def run(self) -> None:
        """Shops, settles what is not known yet, and has every cart explained."""
        cart = await self._new_cart()
        if self.rng.random() < self.load.merges:
            await self._merge_into(cart)
        await self._fill(cart, self.rng.randint(1, 5))
        if self.rng.random() < 0.9:
            await self._order(cart)
            if self.rng.random() < 0.2:
                await self._fill(cart, 2)
        for each in reversed(
            self.carts
        ):  # a cart that was merged away is explained before the one that took it
            await self._explain(each)

    async def _new_cart(self) -> Cart:
        status = 0
        found: dict[str, Any] = {}
        while status != 201:
            status, found = await self.load.client.ask("POST", "/carts")
            if status != 201:
                await asyncio.sleep(0.2)
        cart = Cart(found["id"], found["token"])
        self.carts.append(cart)
        return cart

    async def _fill(self, cart: Cart, many: int) -> None:
        """Some commands, one after the other or two at a time."""
        together = 2 if self.rng.random() < 0.25 else 1
        for _ in range(many):
            await asyncio.gather(*(self._change(cart) for _ in range(together)))

    async def _change(self, cart: Cart) -> None:
        popular = self.rng.random() < 0.5
        isbn = self.rng.choice(self.load.isbns[:POPULAR] if popular else self.load.isbns)
        kind = self.rng.choices(list(KINDS), list(KINDS.values()))[0]
        op = Op(kind, isbn if kind != "clear" else "", self.rng.randint(1, 3))
        path = f"/carts/{cart.id}/items"
        call: tuple[str, str]
        body: dict[str, Any] | None
        match kind:
            case "add":
                call, body = ("POST", path), {"isbn": isbn, "quantity": op.quantity}
            case "set":
                call, body = ("PUT", f"{path}/{isbn}"), {"quantity": op.quantity}
            case "remove":
                call, body = ("DELETE", f"{path}/{isbn}"), None
            case _:
                call, body = ("DELETE", f"/carts/{cart.id}"), None
        await self._send(cart, op, *call, body)
        self.load.opened.set()
        if (seen := shown(op)) is not None and self.rng.random() < 0.3:
            cart.ops.append(replace(op, kind="read", acked=op.completed, seen=seen))

    async def _send(self, cart: Cart, op: Op, method: str, path: str, body: dict[str, Any] | None) -> None:
        """Sends it, waited for or not; impatient shoppers go on without knowing."""
        op.headers = {"Cart-Token": cart.token, **self.load.key()}
        op.request = (method, path, body)
        cart.ops.append(op)
        await self.load.client.send(op, wait_s=self.rng.choice([0, 8]), patient=self.rng.random() < 0.6)

    async def _merge_into(self, cart: Cart) -> None:
        other = await self._new_cart()
        await self._fill(other, self.rng.randint(1, 2))
        for each in other.ops:
            await self.load.client.settle(each)
        op = Op("absorb")
        body = {"cart_id": other.id, "token": other.token}
        await self._send(cart, op, "POST", f"/carts/{cart.id}/merge", body)
        await self.load.client.settle(op)
        if op.outcome is Outcome.OK:
            other.ops.append(replace(op, kind="merge"))
            op.handed = frozenset(state.lines for state in final_states(other.ops))

    async def _order(self, cart: Cart) -> None:
        load = self.load
        payment = self.rng.choices(list(load.tokens), list(load.tokens.values()))[0]
        body = {
            "cart_id": cart.id,
            "email": "ada@example.org",
            "shipping_address": ADDRESS,
            "shipping_method": "standard",
            "payment": {"token": payment},
        }
        op = Op("order")
        await self._send(cart, op, "POST", "/orders", body)
        await load.client.settle(op)
        if op.outcome is not Outcome.OK:
            return
        order = op.result.get("result")
        assert order is not None, f"an order of cart {cart.id} succeeded, and there is none: {op.result}"
        op.seen = shown(op)
        load.bought[order["id"]] = Bought(order["id"], payment, order["token"])
        load.on_order()
        if self.rng.random() < load.cancels:
            load.bought[order["id"]].cancelled = True
            headers = {"Order-Token": order["token"], **load.key()}
            cancel = Op("clear", request=("POST", f"/orders/{order['id']}/cancel", {}), headers=headers)
            await load.client.send(cancel, wait_s=0, patient=True)

    async def _explain(self, cart: Cart) -> None:
        for op in cart.ops:
            await self.load.client.settle(op)
            self.load.ops.append((cart.id, op.invoked, op.completed, op.outcome))
            assert op.outcome is not Outcome.FAILED, (
                f"{op.kind} of cart {cart.id} stands in a dead-letter queue"
            )
        self.load.left.append(Left(cart.id, cart.token, final_states(cart.ops)))


def isbn_of(number: int) -> str:
    """An ISBN-13 that no agency gives away."""
    digits = f"97866{number:07}"
    check = -sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits)) % 10
    return f"{digits}{check}"

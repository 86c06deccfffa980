"""Shoppers: guests with a cart of their own, who send what a browser would, at a fraction of its cost."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from ops.bench.client import Connection, request
from ops.bench.figures import WentWrong

WAIT = {"Prefer": "wait=30"}
ADDRESS = {
    "name": "Ada Reader",
    "line1": "Lesegasse 1",
    "city": "Wien",
    "postal_code": "1070",
    "country": "AT",
}


class NewCart(msgspec.Struct):
    """What `POST /v1/carts` answers."""

    id: str
    token: str


class Order(msgspec.Struct):
    """What a shopper looks at of an order."""

    id: str
    status: str
    token: str = ""


class Placed(msgspec.Struct):
    """An operation whose result is an order."""

    result: Order


class Shopper:
    """One guest: a connection, a cart, and the requests to it, made ready beforehand as far as they can be."""

    def __init__(self, connection: Connection, cart: NewCart) -> None:
        self.connection = connection
        self.cart = cart
        self._token = {"Cart-Token": cart.token}
        self._adds: dict[tuple[str, bool], bytes] = {}
        self._second: Connection | None = None

    def second_connection(self) -> Connection:
        """Another one, for what streams beside the requests; the same each time."""
        if self._second is None:
            self._second = Connection(self.connection.url)
        return self._second

    def add_request(self, isbn: str, *, wait: bool) -> bytes:
        """The request that puts one copy into the cart."""
        made = self._adds.get((isbn, wait))
        if made is None:
            body = msgspec.json.encode({"isbn": isbn, "quantity": 1})
            headers = self._token | WAIT if wait else self._token
            made = request("POST", f"/v1/carts/{self.cart.id}/items", headers, body)
            self._adds[isbn, wait] = made
        return made

    async def add(self, isbn: str, *, wait: bool) -> None:
        """Puts one copy into the cart; with `wait`, returns once it is in."""
        answer = await self.connection.send(self.add_request(isbn, wait=wait))
        answer.expect(200 if wait else 202)

    async def try_order(self) -> Order | None:
        """Orders what is in the cart; the order as it stood when it was placed, or None: sold out."""
        body = msgspec.json.encode(
            {
                "cart_id": self.cart.id,
                "email": "ada@example.org",
                "shipping_address": ADDRESS,
                "shipping_method": "standard",
                "payment": {"token": "tok_ok"},
            }
        )
        headers = self._token | WAIT | {"Idempotency-Key": secrets.token_hex(12)}
        answer = await self.connection.send(request("POST", "/v1/orders", headers, body))
        if answer.status == 409 and b'"out_of_stock"' in answer.body:
            return None
        return msgspec.json.decode(answer.expect(200), type=Placed).result

    async def order(self) -> Order:
        """Orders what is in the cart, which there must be enough of."""
        order = await self.try_order()
        if order is None:
            raise WentWrong("a title that there are plenty of was out of stock")
        return order

    async def read_order(self, order: Order) -> Order:
        """The order as it is now."""
        answer = await self.connection.send(
            request("GET", f"/v1/orders/{order.id}", {"Order-Token": order.token})
        )
        return msgspec.json.decode(answer.expect(200), type=Order)

    async def get(self, path: str) -> None:
        """Reads a page."""
        answer = await self.connection.send(request("GET", path, {}))
        answer.expect(200)


async def arrive(urls: Sequence[str], many: int, connections: int | None = None) -> list[Shopper]:
    """Guests, each with a cart, spread over the edges; `connections`: how many they share, one each where None."""
    lines = [Connection(urls[number % len(urls)]) for number in range(connections or many)]
    shoppers: list[Shopper] = []

    async def along(first: int) -> None:
        """All who share one connection, one after the other: it carries one request at a time."""
        for number in range(first, many, len(lines)):
            answer = await lines[number % len(lines)].send(request("POST", "/v1/carts", {}))
            cart = msgspec.json.decode(answer.expect(201), type=NewCart)
            shoppers.append(Shopper(lines[number % len(lines)], cart))

    await asyncio.gather(*(along(first) for first in range(len(lines))))
    return shoppers


def leave(shoppers: Sequence[Shopper]) -> None:
    """Closes their connections."""
    for shopper in shoppers:
        shopper.connection.close()


def staff(url: str, token: str) -> "Staff":
    """Somebody who may change the catalogue."""
    return Staff(Connection(url), {"Authorization": f"Bearer {token}", "Prefer": "wait=30"})


class Staff:
    """Puts titles on the shelf."""

    def __init__(self, connection: Connection, headers: dict[str, str]) -> None:
        self._connection = connection
        self._headers = headers

    async def put(self, path: str, body: dict[str, Any]) -> None:
        """A command, until it is done."""
        sent = request("PUT", path, self._headers, msgspec.json.encode(body))
        (await self._connection.send(sent)).expect(200)

    def close(self) -> None:
        """Goes home."""
        self._connection.close()

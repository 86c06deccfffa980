"""Shoppers: a closed loop of clients, each of which does its next thing once the last one is done."""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

Json = dict[str, Any]
WAIT = {"Prefer": "wait=30"}
ADDRESS = {
    "name": "Ada Reader",
    "line1": "Lesegasse 1",
    "city": "Wien",
    "postal_code": "1070",
    "country": "AT",
}


class WentWrong(Exception):
    """An answer that a benchmark does not expect: its figures would mean nothing."""


@dataclass(slots=True)
class Shopper:
    """One guest with a cart of their own."""

    http: aiohttp.ClientSession
    cart_id: str
    headers: dict[str, str]

    async def add(self, isbn: str, *, wait: bool) -> None:
        """Puts one copy into the cart; with `wait`, returns once it is in."""
        headers = self.headers | WAIT if wait else self.headers
        body = {"isbn": isbn, "quantity": 1}
        async with self.http.post(f"/v1/carts/{self.cart_id}/items", json=body, headers=headers) as answer:
            await _expect(answer, 200 if wait else 202)

    async def order(self) -> Json:
        """Orders what is in the cart; the order as it stood when it was placed."""
        body = {
            "cart_id": self.cart_id,
            "email": "ada@example.org",
            "shipping_address": ADDRESS,
            "shipping_method": "standard",
            "payment": {"token": "tok_ok"},
        }
        headers = self.headers | WAIT | {"Idempotency-Key": secrets.token_hex(12)}
        async with self.http.post("/v1/orders", json=body, headers=headers) as answer:
            operation = await _expect(answer, 200)
        order: Json = operation["result"]
        return order

    async def confirmed(self, order: Json) -> None:
        """Watches an order's events until it is confirmed."""
        headers = {"Order-Token": order["token"], "Accept": "text/event-stream"}
        async with self.http.get(f"/v1/orders/{order['id']}/events", headers=headers) as answer:
            if answer.status != 200:
                await _expect(answer, 200)
            async for line in answer.content:
                if line.startswith(b"data:"):
                    status = json.loads(line[5:])["status"]
                    if status == "confirmed":
                        return
                    if status != "placed":
                        raise WentWrong(f"order {order['id']} is {status}")
        raise WentWrong(f"the events of order {order['id']} ended before it was confirmed")


async def _expect(answer: aiohttp.ClientResponse, status: int) -> Json:
    body = await answer.read()
    if answer.status != status:
        raise WentWrong(f"{answer.method} {answer.url.path}: {answer.status} {body[:300]!r}")
    decoded: Json = json.loads(body)
    return decoded


async def arrive(http: aiohttp.ClientSession, many: int) -> list[Shopper]:
    """Guests, each with a cart."""

    async def one() -> Shopper:
        async with http.post("/v1/carts") as answer:
            cart = await _expect(answer, 201)
        return Shopper(http, cart["id"], {"Cart-Token": cart["token"]})

    return list(await asyncio.gather(*(one() for _ in range(many))))


@dataclass(slots=True)
class Taken:
    """What a closed loop did: seconds that each thing took, and seconds from the first start to the last end."""

    latencies_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Things done per second."""
        return len(self.latencies_s) / self.seconds if self.seconds else 0.0

    def percentile_ms(self, percent: float) -> float:
        """Milliseconds within which that part of them was done (nearest rank)."""
        ordered = sorted(self.latencies_s)
        if not ordered:
            return 0.0
        rank = max(1, -(-len(ordered) * percent // 100))
        return ordered[int(rank) - 1] * 1000


async def closed_loop(
    shoppers: Sequence[Shopper], once: Callable[[Shopper, int], Awaitable[None]], seconds: float
) -> Taken:
    """Each shopper does it again and again until the time is up; what was begun by then is finished and counted."""
    taken = Taken()
    begun = time.perf_counter()
    until = begun + seconds

    async def shop(shopper: Shopper, number: int) -> None:
        turn = number
        while (start := time.perf_counter()) < until:
            await once(shopper, turn)
            taken.latencies_s.append(time.perf_counter() - start)
            turn += len(shoppers)

    await asyncio.gather(*(shop(shopper, number) for number, shopper in enumerate(shoppers)))
    taken.seconds = time.perf_counter() - begun
    return taken

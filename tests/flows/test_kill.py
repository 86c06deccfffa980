"""`quire up`, killed and stopped under load: what was accepted with 202 is carried out, once."""

import asyncio
import secrets
import signal
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from ops.bench.embedded import quire_up
from ops.demo.shop import Json, Shop
from ops.instance import find
from ops.servers import ServerMissing
from ops.servers.mongod import find_mongod
from tests.conftest import missing

SHOPPERS = 12
ACCEPTED_BEFORE_THE_END = 200


@dataclass
class Log:
    """What the shoppers were told: operations accepted, by cart, and how many tries had no answer."""

    accepted: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def count(self) -> int:
        """How many commands were accepted."""
        return sum(map(len, self.accepted.values()))


async def shop_until_it_ends(shop: Shop, isbn: str, log: Log) -> None:
    """One guest adds a copy again and again, until the server is gone."""
    cart = await shop.new_cart()
    guest = shop.holding(Cart_Token=cart["token"])
    log.tokens[cart["id"]] = cart["token"]
    mine = log.accepted.setdefault(cart["id"], [])
    while True:
        key = {"Idempotency-Key": secrets.token_hex(8)}
        try:
            operation = await guest.call(
                "POST", f"/carts/{cart['id']}/items", {"isbn": isbn, "quantity": 1}, **key
            )
        except httpx.HTTPError:
            log.unknown[cart["id"]] = 1
            return
        mine.append(operation["id"])
        if log.count >= ACCEPTED_BEFORE_THE_END:
            log.enough.set()


async def settled(shop: Shop, cart_id: str, token: str, operations: list[str]) -> Json:
    """The cart once all its operations are over; each of them must have succeeded."""
    guest = shop.holding(Cart_Token=token)
    for operation_id in operations:
        operation = await guest.over(operation_id)
        assert operation["status"] == "succeeded", operation
    return await guest.call("GET", f"/carts/{cart_id}")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_no_accepted_command_is_lost(tmp_path: Path, number: signal.Signals) -> None:
    """However it ends under load, every 202 is in its cart after the next start, and none of them twice."""
    try:
        find_mongod()
    except ServerMissing as error:
        missing(error)
    log = Log()
    async with quire_up(tmp_path / "data") as process:
        instance = find(tmp_path / "data")
        limits = httpx.Limits(max_connections=SHOPPERS)
        async with httpx.AsyncClient(base_url=instance.url, timeout=30, limits=limits) as http:
            shop = Shop(http)
            isbn = (await shop.search(available=True, limit=1))["items"][0]["isbn"]
            shoppers = [asyncio.create_task(shop_until_it_ends(shop, isbn, log)) for _ in range(SHOPPERS)]
            await log.enough.wait()
            process.send_signal(number)
            await process.wait()
            await asyncio.gather(*shoppers)
    assert log.count >= ACCEPTED_BEFORE_THE_END
    async with (
        quire_up(tmp_path / "data"),
        httpx.AsyncClient(base_url=find(tmp_path / "data").url, timeout=30) as http,
    ):
        shop = Shop(http)
        for cart_id, operations in log.accepted.items():
            cart = await settled(shop, cart_id, log.tokens[cart_id], operations)
            copies = sum(line["quantity"] for line in cart["lines"])
            # A try that had no answer may have been accepted; nothing else may have been added.
            assert len(operations) <= copies <= len(operations) + log.unknown.get(cart_id, 0)

"""A database that goes away under a worker: nothing is spent, nothing is held for long, and it goes on by itself."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from broker import declare
from broker.connection import connect
from broker.embedded import EmbeddedServer, MemoryJournal
from broker.groups import Effects, WorkDesk
from broker.messages import ExpireOrder
from documents.payments import Payment
from handlers.carts import CARTS
from ops.database import prepare
from ops.servers import Mongod
from tests.broker.house import TIERS, House, add, shopper, unordered, until


class OwnHouse(House):
    """A house on a database that may go away."""

    mongod: Mongod


@pytest.fixture
async def lonely(tmp_path: Path) -> AsyncIterator[OwnHouse]:
    """A house with a mongod of its own and clients that do not wait long."""
    mongod = await Mongod.start(tmp_path)
    server = EmbeddedServer(MemoryJournal())
    await server.start()
    connection = await connect(server, name="topology")
    await declare.apply(connection, TIERS)
    await connection.close()
    limits: dict[str, Any] = {
        "serverSelectionTimeoutMS": 500,
        "socketTimeoutMS": 500,
        "connectTimeoutMS": 500,
    }
    async with (
        AsyncMongoClient[dict[str, Any]](
            mongod.url, tz_aware=True, serverSelectionTimeoutMS=5_000
        ) as patient,
        AsyncMongoClient[dict[str, Any]](mongod.url, tz_aware=True, **limits) as client,
    ):
        # Only the worker is in a hurry: what the test itself makes and reads may take its time on a busy machine.
        await prepare(patient["quire"])
        await prepare(client["quire"])
        house = OwnHouse(server, patient["quire"], client["quire"])
        house.mongod = mongod
        await house.open()
        yield house
        await house.close()
    await server.stop()
    await mongod.stop()


@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_a_database_that_is_away_pauses_everything_and_spends_nothing(
    lonely: OwnHouse, tmp_path: Path, how: str
) -> None:
    """Not healthy, no attempt counted, no dead letter; when it is back, everything is done once."""
    house, mongod = lonely, lonely.mongod
    reads: list[int] = []
    failures: list[int] = []

    async def reading(message: Any, desk: WorkDesk) -> Effects:
        reads.append(1)
        try:
            await desk.load(Payment, message.order_id)
        except BaseException:
            failures.append(1)
            raise
        return Effects(resource="read")

    await house.sell()
    worker = await house.worker(CARTS, unordered("payments", reading), pause_after_s=60)
    sender, cart_id = shopper(1)
    await house.receipt(await house.send(add(cart_id), sender))
    if how == "frozen":
        os.kill(mongod.pid, signal.SIGSTOP)
    else:
        await mongod.kill()
    ids = [await house.send(add(cart_id), sender) for _ in range(5)]
    asked = await house.send(ExpireOrder(order_id="o"))

    async def noticed() -> bool:
        # A read that was only begun would be answered by a database that wakes up, and not be tried again.
        return not worker._loop.healthy and not worker._commits.healthy and bool(failures)

    await until(noticed, "the worker to be unhealthy, and the read to fail")
    assert not worker.healthy
    if how == "frozen":
        os.kill(mongod.pid, signal.SIGCONT)
    else:
        house.mongod = await Mongod.start(tmp_path)
    try:

        async def back() -> bool:
            return worker.healthy

        await until(back, "the worker to be healthy again", 30)
        receipts = await house.receipts(ids)
        assert [(receipt["rev"], receipt["attempts"]) for receipt in receipts] == [
            (n, 1) for n in range(2, 7)
        ]
        read = await house.receipt(asked, "payments")
        assert (read["status"], read["attempts"], read["resource"]) == ("succeeded", 1, "read")
        assert len(reads) > 1
        assert await house.waiting("carts.dead") + await house.waiting("payments.dead") == 0
    finally:
        if house.mongod is not mongod:
            await house.stop(worker)
            await house.mongod.stop()


async def test_a_database_that_stays_away_gives_the_queues_back(lonely: OwnHouse) -> None:
    """Nobody consumes and the broker keeps everything, said in words; it goes on by itself, each message once."""
    house, mongod = lonely, lonely.mongod
    await house.sell()
    worker = await house.worker(CARTS, unordered("payments"), pause_after_s=0.5)
    sender, cart_id = shopper(1)
    await house.receipt(await house.send(add(cart_id), sender))
    assert worker.trouble == {}
    os.kill(mongod.pid, signal.SIGSTOP)
    try:
        ids = [await house.send(add(cart_id), sender) for _ in range(5)]
        asked = await house.send(ExpireOrder(order_id="o"))

        async def given_back() -> bool:
            held = [await house.waiting(queue) for queue in ("payments", *(f"carts.{n}" for n in range(8)))]
            return sum(held) == 6

        await until(given_back, "the broker to have everything back")
        assert worker.trouble == {"database": "away: the queues are given back until it answers"}
        assert not worker.healthy
        assert all(each.consumers == 0 for each in consumers_of(house))
    finally:
        os.kill(mongod.pid, signal.SIGCONT)
    receipts = await house.receipts(ids)
    assert [(receipt["rev"], receipt["attempts"]) for receipt in receipts] == [(n, 1) for n in range(2, 7)]
    assert (await house.receipt(asked, "payments"))["attempts"] == 1

    async def well() -> bool:
        return worker.healthy

    await until(well, "the worker to be ready")
    await house.empty()


def consumers_of(house: House) -> list[Any]:
    """What the embedded broker says of the queues that a worker serves."""
    assert isinstance(house.endpoint, EmbeddedServer)
    return [each for each in house.endpoint.overview() if each.name in ("payments", "carts.0", "carts.7")]

"""Workers as processes of their own, on a real RabbitMQ: one that froze."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from broker import declare
from broker.connection import connect
from broker.messages import AddItem, Envelope, Sender, pack
from broker.publish import Publisher
from broker.topology import route
from documents.accounts import cart_of
from documents.actors import utc_now
from ops.database import open_database
from ops.instance import QUIRE
from ops.servers import Mongod, RabbitMQ
from tests.broker.house import until

eventually = partial(until, patience_s=60.0)
CARTS = 24
ISBN = "9786600000004"


@dataclass
class Shop:
    """A broker, a database, workers as processes, and what was sent to whom."""

    database: AsyncDatabase[dict[str, Any]]
    publisher: Publisher
    environment: dict[str, str]
    workers: list[asyncio.subprocess.Process] = field(default_factory=list)
    sent: dict[int, list[str]] = field(default_factory=dict)
    _readers: list[asyncio.Task[bytes]] = field(default_factory=list)

    async def worker(self) -> asyncio.subprocess.Process:
        """A worker of the carts, once it is ready."""
        process = await asyncio.create_subprocess_exec(
            *(*QUIRE, "worker", "--group", "carts"),
            env=os.environ | self.environment,
            stderr=asyncio.subprocess.PIPE,
        )
        self.workers.append(process)
        assert process.stderr is not None
        while b"worker.ready" not in (line := await process.stderr.readline()):
            assert line, "the worker ended before it was ready"
        self._readers.append(asyncio.create_task(process.stderr.read()))  # or it would wait for a full pipe
        return process

    async def add(self, number: int) -> None:
        """One copy into one cart."""
        command = AddItem(cart_id=cart_of(str(number)), isbn=ISBN, quantity=1)
        envelope = Envelope(
            id=secrets.token_hex(16),
            type="AddItem",
            version=command.version,
            key=command.key,
            sender=Sender(f"user:{number}"),
            accepted_at=utc_now(),
            correlation_id="test",
            data=pack(command),
        )
        await self.publisher.publish(envelope, *route(command))
        self.sent.setdefault(number, []).append(envelope.id)

    async def add_to_all(self) -> None:
        """One copy into every cart: every partition has something to do."""
        for number in range(CARTS):
            await self.add(number)

    @property
    def count(self) -> int:
        """How many commands were sent."""
        return sum(map(len, self.sent.values()))

    async def done(self) -> bool:
        """Whether every command has its receipt."""
        return bool(await self.database.receipts.count_documents({}) == self.count)

    async def each_once_and_in_order(self) -> None:
        """Returns once all is done; every cart's commands took effect in the order in which they were sent."""
        await eventually(self.done, f"{self.count} receipts")
        for number, ids in self.sent.items():
            found = self.database.receipts.find({"key": cart_of(str(number))}).sort("rev", 1)
            assert [receipt["message_id"] async for receipt in found] == ids


@asynccontextmanager
async def opened(rabbitmq_url: str, mongod: Mongod, name: str) -> AsyncIterator[Shop]:
    """A shop with one title for sale."""
    connection = await connect(rabbitmq_url, name="topology")
    await declare.apply(connection)
    await connection.close()
    publisher = Publisher(rabbitmq_url, name="test")
    await publisher.start()
    async with open_database(mongod.url, name) as database:
        await database.books.insert_one(
            {
                "_id": ISBN,
                "rev": 1,
                "title": "T",
                "for_sale": True,
                "available": True,
                "price": {"amount": 1000, "currency": "EUR"},
            }
        )
        environment = {
            "QUIRE_RABBITMQ_URL": rabbitmq_url,
            "QUIRE_MONGODB_URL": mongod.url,
            "QUIRE_DATABASE": name,
            "QUIRE_LOG_LEVEL": "info",
        }
        shop = Shop(database, publisher, environment)
        try:
            yield shop
        finally:
            for process in shop.workers:
                if process.returncode is None:
                    process.kill()
                await process.wait()
            await publisher.close()
            await database.client.drop_database(name)


@pytest.fixture
async def shop(rabbitmq: RabbitMQ, rabbitmq_url: str, mongod: Mongod) -> AsyncIterator[Shop]:
    """A shop on a virtual host and in a database of its own."""
    async with opened(rabbitmq_url, mongod, f"processes_{secrets.token_hex(6)}") as shop:
        yield shop


async def test_a_frozen_workers_partitions_are_served_elsewhere(shop: Shop) -> None:
    """The broker misses its heartbeats; what it held takes effect elsewhere, and nothing twice when it thaws."""
    frozen = await shop.worker()
    await shop.add_to_all()
    await eventually(shop.done, "the first worker to serve every partition")
    await shop.worker()
    frozen.send_signal(signal.SIGSTOP)
    try:
        await shop.add_to_all()
        await eventually(shop.done, "the frozen worker's partitions to be served")
    finally:
        frozen.send_signal(signal.SIGCONT)
    await shop.add_to_all()
    await shop.each_once_and_in_order()

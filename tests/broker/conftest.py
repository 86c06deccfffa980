"""The heart's tests run on the embedded broker and on a real RabbitMQ, always with a real mongod."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from beanie import init_beanie
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from broker import declare
from broker.connection import Endpoint, connect
from broker.embedded import EmbeddedServer, MemoryJournal
from broker.topology import queues
from documents import DOCUMENTS
from ops.database import open_database
from ops.servers import Mongod, RabbitMQ, ServerMissing
from tests.broker.house import TIERS, Database, House
from tests.conftest import missing


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """One line a log: tracebacks with every local variable take seconds, in the loop that is under test."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.ExceptionRenderer(),
            structlog.processors.JSONRenderer(default=str),
        ]
    )


GUARDED = {"carts", "orders", "stock", "movements", "receipts", "outbox", "books", "payments"}
WRITES = {"insert", "update", "delete", "findAndModify"}


class Watchman(CommandListener):
    """Notes every write to what the actors own that is not part of a transaction.

    Two of the outbox are meant to be outside: the removal of confirmed rows, and leases.
    """

    def __init__(self) -> None:
        self.caught: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        """Looks at one command before it leaves."""
        command: Mapping[str, Any] = event.command
        name = event.command_name
        if name not in WRITES or command[name] not in GUARDED or command.get("autocommit") is False:
            return
        if command[name] == "outbox" and (name == "delete" or _leases_only(command)):
            return
        self.caught.append(f"{name} {command[name]} outside a transaction")

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to see."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to see."""


def _leases_only(command: Mapping[str, Any]) -> bool:
    updates = [each["u"] for each in command.get("updates", [])]
    return bool(updates) and all(
        set(each) == {"$set"} and set(each["$set"]) == {"lease_until"} for each in updates
    )


@pytest.fixture(scope="session")
def watchman() -> Watchman:
    """Listens to the workers' client."""
    return Watchman()


@pytest.fixture(scope="session")
async def prepared(mongod: Mongod, watchman: Watchman) -> AsyncIterator[tuple[Database, Database]]:
    """One database with its indexes, for the workers and for the tests themselves (another client)."""
    name = f"heart_{secrets.token_hex(4)}"
    async with (
        open_database(mongod.url, name) as tests,
        AsyncMongoClient[dict[str, Any]](mongod.url, tz_aware=True, event_listeners=[watchman]) as client,
    ):
        yield (
            tests,
            client.get_database(name, write_concern=tests.write_concern, read_concern=tests.read_concern),
        )
        await tests.client.drop_database(name)


@pytest.fixture
async def worker_database(prepared: tuple[Database, Database]) -> Database:
    """The database as workers see it: empty, with Beanie's documents on it."""
    tests, workers = prepared
    for document in DOCUMENTS:
        await tests[document.Settings.name].delete_many({})
    await init_beanie(database=workers, document_models=list(DOCUMENTS), skip_indexes=True)
    return workers


@pytest.fixture(scope="session")
async def rabbit_shop(rabbitmq: RabbitMQ) -> AsyncIterator[str]:
    """The address of a virtual host on which the topology stands, with short retry tiers."""
    name = f"heart-{secrets.token_hex(4)}"
    url = await rabbitmq.create_vhost(name)
    connection = await connect(url, name="topology")
    await declare.apply(connection, TIERS)
    await connection.close()
    yield url
    await rabbitmq.delete_vhost(name)


@pytest.fixture(scope="session")
async def rabbitmq_4() -> AsyncIterator[RabbitMQ]:
    """A node of RabbitMQ 4, from the system that stands in the cache; shared by all tests."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(os.environ.get("QUIRE_CACHE") or home / "quire") / "rabbitmq-4"
    try:
        if not (root / "tmp").is_dir():
            raise ServerMissing(f"no RabbitMQ 4 in {root}")
        folder = Path(tempfile.mkdtemp(prefix="heart-", dir=root / "tmp"))
        node = await RabbitMQ.start(folder, root=root)
    except ServerMissing as error:
        missing(error)
    yield node
    await node.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def rabbit_4_shop(rabbitmq_4: RabbitMQ) -> str:
    """As `rabbit_shop`, on RabbitMQ 4."""
    connection = await connect(rabbitmq_4.url, name="topology")
    await declare.apply(connection, TIERS)
    await connection.close()
    return rabbitmq_4.url


SHOPS = {"rabbitmq": "rabbit_shop", "rabbitmq-4": "rabbit_4_shop"}


@pytest.fixture(params=["embedded", "rabbitmq"])
def shop_url(request: pytest.FixtureRequest) -> str | None:
    """The RabbitMQ under test, or None for the embedded broker. `indirect` parameters choose others."""
    if request.param == "embedded":
        return None
    url: str = request.getfixturevalue(SHOPS[request.param])
    return url


@pytest.fixture
async def endpoint(shop_url: str | None) -> AsyncIterator[Endpoint]:
    """A broker with the topology on it, every queue empty."""
    if shop_url is not None:
        connection = await connect(shop_url, name="purge")
        channel = await connection.channel()
        found = [await channel.get_queue(spec.name, ensure=False) for spec in queues(TIERS)]
        await asyncio.gather(*(queue.purge() for queue in found))
        await connection.close()
        yield shop_url
        return
    server = EmbeddedServer(MemoryJournal())
    await server.start()
    connection = await connect(server, name="topology")
    await declare.apply(connection, TIERS)
    await connection.close()
    yield server
    await server.stop()


@pytest.fixture
async def house(
    endpoint: Endpoint, worker_database: Database, prepared: tuple[Database, Database], watchman: Watchman
) -> AsyncIterator[House]:
    """A shop; at its end no write of a worker may have gone past a transaction."""
    watchman.caught.clear()
    house = House(endpoint, prepared[0], worker_database)
    await house.open()
    yield house
    await house.close()
    assert watchman.caught == []

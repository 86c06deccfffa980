"""What the tests of the edge share: a database with everything in it, a broker, an edge and its client."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from beanie import init_beanie
from httpx import AsyncClient
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from app.application import Edge
from broker.connection import connect
from broker.declare import apply
from broker.embedded.server import EmbeddedServer
from broker.publish import Publisher
from documents import DOCUMENTS
from ops.database import prepare
from tests.app.edges import ScriptedWorker, make_edge, serving

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture(scope="session")
async def prepared(mongo_client: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[Database]:
    """A database with every collection, index and validator, made once: that takes a second."""
    database = mongo_client[f"test_{secrets.token_hex(6)}"]
    await prepare(database)
    yield database
    await mongo_client.drop_database(database.name)


@pytest.fixture
async def database(prepared: Database) -> Database:
    """That database, empty, and every document bound to it."""
    await asyncio.gather(*(prepared[name].delete_many({}) for name in await prepared.list_collection_names()))
    await init_beanie(database=prepared, document_models=list(DOCUMENTS), skip_indexes=True)
    return prepared


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedServer]:
    """The embedded broker with the whole topology, kept in memory."""
    server = EmbeddedServer()
    await server.start()
    connection = await connect(server, name="topology")
    await apply(connection)
    await connection.close()
    yield server
    await server.stop()


@pytest.fixture
async def publisher(broker: EmbeddedServer) -> AsyncIterator[Publisher]:
    """The edge's publishing connection."""
    publisher = Publisher(broker, name="edge publishes", timeout_s=1.0)
    await publisher.start()
    yield publisher
    await publisher.close()


@pytest.fixture
def edge(database: Database, broker: EmbeddedServer, publisher: Publisher) -> Edge:
    """An edge on both."""
    return make_edge(broker, publisher, heartbeat_s=0.2)


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[AsyncClient]:
    """A client of that edge."""
    async with serving(edge) as client:
        yield client


@pytest.fixture
async def worker(broker: EmbeddedServer) -> AsyncIterator[ScriptedWorker]:
    """A worker that agrees to everything until it is told otherwise."""
    async with ScriptedWorker(broker).working() as worker:
        yield worker

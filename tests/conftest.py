"""Real servers for the tests that ask for them: started once, on first use, in a temporary folder.

A server that is not on this machine skips its tests and says why; where `CI` is set, it fails them.
All tests and fixtures share one event loop, so clients of these servers may be shared as well.
"""

import os
import secrets
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from ops.servers import Mongod, RabbitMQ, Redis, ServerMissing


def missing(error: ServerMissing) -> NoReturn:
    """Skip with the reason; fail where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, so nothing may be skipped: {error}", pytrace=False)
    pytest.skip(str(error))


@pytest.fixture(scope="session")
async def mongod(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mongod]:
    """A one-node replica set, shared by all tests; `.url` is its address."""
    try:
        server = await Mongod.start(tmp_path_factory.mktemp("mongod"))
    except ServerMissing as error:
        missing(error)
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def mongo_client(mongod: Mongod) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    """A client of the shared replica set: majority writes, journalled."""
    async with AsyncMongoClient[dict[str, Any]](mongod.url, tz_aware=True) as client:
        yield client


@pytest.fixture
async def mongo_database(
    mongo_client: AsyncMongoClient[dict[str, Any]],
) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """An empty database of this test's own, dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    yield mongo_client[name]
    await mongo_client.drop_database(name)


@pytest.fixture(scope="session")
async def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RabbitMQ]:
    """A RabbitMQ node with its management API, shared by all tests; `rabbitmq_url` is one test's part."""
    try:
        server = await RabbitMQ.start(tmp_path_factory.mktemp("rabbitmq"))
    except ServerMissing as error:
        missing(error)
    yield server
    await server.stop()


@pytest.fixture
async def rabbitmq_vhost(rabbitmq: RabbitMQ) -> AsyncIterator[str]:
    """The name of an empty virtual host of this test's own, for calls of the management API."""
    name = f"test-{secrets.token_hex(6)}"
    await rabbitmq.create_vhost(name)
    yield name
    await rabbitmq.delete_vhost(name)


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitMQ, rabbitmq_vhost: str) -> str:
    """The AMQP address of an empty virtual host of this test's own."""
    return rabbitmq.url_of(rabbitmq_vhost)


@pytest.fixture(scope="session")
async def redis_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Redis]:
    """A Redis, shared by all tests; `.url` is its address. Use keys of your own, or flush it."""
    try:
        server = await Redis.start(tmp_path_factory.mktemp("redis"))
    except ServerMissing as error:
        missing(error)
    yield server
    await server.stop()

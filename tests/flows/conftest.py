"""Whole instances, as `quire up` runs them, for journeys over HTTP."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from ops.demo.shop import Shop
from ops.instance import Instance
from ops.servers import Mongod, RabbitMQ
from ops.settings import Settings
from ops.up import running


@pytest.fixture(scope="module", params=["embedded", "rabbitmq"])
def node(request: pytest.FixtureRequest) -> RabbitMQ | None:
    """None for the embedded broker, and a real RabbitMQ."""
    return request.getfixturevalue("rabbitmq") if request.param == "rabbitmq" else None


@pytest.fixture(scope="module")
def data(node: RabbitMQ | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the instance."""
    return tmp_path_factory.mktemp("instance")


@pytest.fixture(scope="module")
async def instance(
    node: RabbitMQ | None, mongod: Mongod, data: Path, database_name: str
) -> AsyncIterator[Instance]:
    """An instance with the demo catalogue, on either broker, shared by the journeys of one file."""
    url = await node.create_vhost(database_name) if node is not None else None
    settings = Settings(data=data, port=0, mongodb_url=SecretStr(mongod.url), database=database_name)
    async with running(settings, rabbitmq=url, empty=False) as started:
        yield started
    if node is not None:
        await node.delete_vhost(database_name)


@pytest.fixture(scope="module")
async def database_name(node: RabbitMQ | None, mongod: Mongod) -> AsyncIterator[str]:
    """A database for these tests on this broker, dropped afterwards."""
    name = f"flow_{secrets.token_hex(6)}"
    yield name
    async with AsyncMongoClient[dict[str, object]](mongod.url) as client:
        await client.drop_database(name)
        await client.drop_database(f"{name}_gateway")


@pytest.fixture
async def shop(instance: Instance) -> AsyncIterator[Shop]:
    """The instance as somebody without a credential sees it."""
    async with httpx.AsyncClient(base_url=instance.url, timeout=60) as http:
        yield Shop(http)


@pytest.fixture
def staff(shop: Shop, instance: Instance) -> Shop:
    """The instance as its operator sees it."""
    return shop.bearing(instance.operator_token)

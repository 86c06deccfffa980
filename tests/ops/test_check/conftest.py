"""A database that a real system has filled: journeys of every kind, then nothing runs any more."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from ops.check import Report, check
from ops.demo.shop import Shop
from ops.instance import Instance
from ops.servers import Mongod
from ops.settings import Settings
from ops.up import running
from tests.ops.test_check.journeys import Journeys
from tests.ops.test_check.plants import Plants

SETTLED_WITHIN_S = 60
NOW_AND_THEN_S = 0.2

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture(scope="module")
async def filled(
    mongod: Mongod, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Database, Journeys]]:
    """The database after its instance has stopped, and what was done."""
    name = f"check_{secrets.token_hex(6)}"
    settings = Settings(
        data=tmp_path_factory.mktemp("instance"), port=0, mongodb_url=SecretStr(mongod.url), database=name
    )
    async with AsyncMongoClient[dict[str, Any]](mongod.url, tz_aware=True) as client:
        database = client[name]
        async with running(settings, rabbitmq=None, empty=True) as instance:
            journeys = await shopping(instance)
            await until_it_holds(database)
        yield database, journeys
        await client.drop_database(name)
        await client.drop_database(f"{name}_gateway")


async def shopping(instance: Instance) -> Journeys:
    """Journeys of every kind on an instance."""
    async with httpx.AsyncClient(base_url=instance.url, timeout=60) as http:
        shop = Shop(http)
        journeys = Journeys(shop, shop.bearing(instance.operator_token))
        await journeys.run()
        return journeys


async def until_it_holds(database: Database) -> Report:
    """Waits until nothing is under way: with no grace at all, every promise holds."""
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while (report := await check(database, settle_s=0)).violations:  # noqa: ASYNC110 - a database tells nobody
            await asyncio.sleep(NOW_AND_THEN_S)
    return report


@pytest.fixture
async def plants(filled: tuple[Database, Journeys]) -> AsyncIterator[Plants]:
    """The filled database to break something in; it is whole again afterwards."""
    database, journeys = filled
    planting = Plants(database, journeys)
    await planting.remember()
    yield planting
    await planting.restore()

"""One instance on the embedded broker, everything of it traced and kept."""

import secrets
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from ops.instance import Instance
from ops.servers import Mongod
from ops.settings import Settings
from ops.telemetry import Instruments
from ops.up import running
from tests.ops.test_telemetry.spans import Kept


@pytest.fixture(scope="module")
def kept() -> Kept:
    """What the instance tells."""
    return Kept()


@pytest.fixture(scope="module")
async def instance(
    kept: Kept, mongod: Mongod, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Instance]:
    """A shop with the demo catalogue."""
    name = f"told_{secrets.token_hex(6)}"
    folder = tmp_path_factory.mktemp("told")
    settings = Settings(data=folder, port=0, mongodb_url=SecretStr(mongod.url), database=name)
    measured = Instruments(kept.told, kept.series)
    async with running(settings, rabbitmq=None, empty=False, measured=measured) as started:
        yield started
    async with AsyncMongoClient[dict[str, object]](mongod.url) as client:
        await client.drop_database(name)
        await client.drop_database(f"{name}_gateway")

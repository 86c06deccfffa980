"""One shop for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.broker.house import House
from tests.broker.test_sagas.road import STOCK, Saga


@pytest.fixture
async def saga(house: House) -> AsyncIterator[Saga]:
    """A shop with a hundred copies of one title, and no worker yet."""
    await house.sell(stock=STOCK)
    saga = Saga(house)
    yield saga
    for runtime in tuple(house.runtimes):
        await house.stop(runtime)
    client = house.database.client
    await client.drop_database(f"{house.workers_database.name}_gateway")

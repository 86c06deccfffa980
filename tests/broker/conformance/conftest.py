"""Every test of this folder runs on the embedded broker and on a real RabbitMQ."""

from collections.abc import AsyncIterator

import pytest

from tests.broker.conformance.sides import Client, EmbeddedSide, RabbitSide, Side


@pytest.fixture(params=["embedded", "rabbitmq"])
def side(request: pytest.FixtureRequest) -> Side:
    """The broker under test."""
    if request.param == "embedded":
        return EmbeddedSide()
    return RabbitSide(request.getfixturevalue("rabbitmq"), request.getfixturevalue("rabbitmq_url"))


@pytest.fixture
async def client(side: Side) -> AsyncIterator[Client]:
    """Connections to the broker under test."""
    await side.start()
    client = Client(side)
    yield client
    await client.close()
    await side.stop()

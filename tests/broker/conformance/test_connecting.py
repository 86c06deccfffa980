"""Reaching a broker: one node, several, or none."""

import pytest
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from broker.connection import connect
from ops.servers import RabbitMQ
from tests.broker.conformance.sides import Client, Side

NOBODY = "amqp://guest:guest@127.0.0.1:1/"


async def test_connection_carries_its_name_and_is_ready(client: Client, side: Side) -> None:
    """A fresh connection is connected, and channels open on it at once."""
    connection = await connect(side.endpoint, name="edge")
    assert connection.connected.is_set()
    channel = await connection.channel()
    assert channel.is_initialized
    await connection.close()
    assert connection.is_closed


async def test_cluster_address_skips_a_node_that_is_down(rabbitmq: RabbitMQ, rabbitmq_url: str) -> None:
    """Of several addresses the first that answers is taken, and its connection bears the name given."""
    connection = await connect(f"{NOBODY},{rabbitmq_url}", name="second-node")
    assert (await connection.channel()).is_initialized
    listed = await rabbitmq.ctl("list_connections", "client_properties")
    assert "second-node" in listed
    await connection.close()


async def test_nobody_there_fails_fast() -> None:
    """Where no node answers, connecting raises at once and leaves nothing behind."""
    with pytest.raises(CONNECTION_EXCEPTIONS):
        await connect(f"{NOBODY},{NOBODY}", name="nobody")

"""What the embedded broker shows to operations, and what it does beyond the protocol."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aio_pika import ExchangeType
from aio_pika.exceptions import AMQPConnectionError

from broker.connection import connect
from broker.embedded import EmbeddedServer, QueueOverview
from broker.embedded.exchanges import topic_matches
from tests.broker.conformance.sides import Inbox, drain, eventually, send


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    """A running broker without a journal."""
    server = EmbeddedServer()
    await server.start()
    yield server
    await server.stop()


async def test_overview_lists_what_stands_on_the_broker(server: EmbeddedServer) -> None:
    """Every queue with its ready and unacked messages, its consumers and arguments."""
    connection = await connect(server, name="watched")
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=1)
    queue = await channel.declare_queue("work", durable=True, arguments={"x-delivery-limit": 3})
    await send(channel, "work", "1", "2", "3")
    inbox = Inbox()
    await queue.consume(inbox)
    await inbox.holds(1)
    assert server.overview() == [
        QueueOverview(
            "work", ready=2, unacked=1, consumers=1, durable=True, arguments={"x-delivery-limit": 3}
        )
    ]
    await connection.close()


async def test_dropped_connection_restores_itself(server: EmbeddedServer) -> None:
    """A connection that an operator closes comes back with its queues, bindings and consumers."""
    connection = await connect(server, name="worker")
    channel = await connection.channel()
    exchange = await channel.declare_exchange("events", ExchangeType.TOPIC, durable=True)
    queue = await channel.declare_queue("mine", exclusive=True)
    await queue.bind(exchange, "order.#")
    inbox = Inbox()
    await queue.consume(inbox)
    back = asyncio.Event()
    connection.reconnect_callbacks.add(lambda *_: back.set())
    assert await server.drop_connection("worker") == 1
    await asyncio.wait_for(back.wait(), 10)
    await send(await connection.channel(), "order.1", "news", exchange="events")
    await inbox.holds(1)
    await connection.close()


async def test_consumer_of_a_deleted_queue_gets_it_back(server: EmbeddedServer) -> None:
    """aio-pika's robust channel declares a deleted queue anew and consumes from it again, as on RabbitMQ."""
    connection = await connect(server, name="worker")
    channel = await connection.channel(on_return_raises=True)
    queue = await channel.declare_queue("work", durable=True)
    inbox = Inbox()
    await queue.consume(inbox)
    other = await (await connect(server, name="operator")).channel()
    await other.queue_delete("work")

    async def consumed_again() -> bool:
        return [q.consumers for q in server.overview()] == [1]

    await eventually(consumed_again, lambda: f"a consumer again, now {server.overview()}")
    await send(channel, "work", "after")
    await inbox.holds(1)
    await connection.close()


async def test_at_least_once_dead_letter_waits_for_its_queue(server: EmbeddedServer) -> None:
    """With dead-letter strategy at-least-once a dead letter without a queue waits until there is one."""
    connection = await connect(server, name="worker")
    channel = await connection.channel()
    arguments = {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "dead",
        "x-dead-letter-strategy": "at-least-once",
    }
    queue = await channel.declare_queue("work", durable=True, arguments=arguments)
    await send(channel, "work", "poison")
    await (await queue.get()).reject()
    assert [q.ready for q in server.overview()] == [1]
    assert await drain(await channel.declare_queue("dead", durable=True), 1) == ["poison"]
    await connection.close()


async def test_unused_queue_expires(server: EmbeddedServer) -> None:
    """A queue with x-expires is gone once nobody has used it for that long."""
    connection = await connect(server, name="edge")
    channel = await connection.channel()
    await channel.declare_queue("brief", arguments={"x-expires": 50})

    async def gone() -> bool:
        return server.overview() == []

    await eventually(gone, lambda: f"no queue left, now {server.overview()}")
    await connection.close()


async def test_stopped_broker_takes_nothing(server: EmbeddedServer) -> None:
    """A server that was never started, or stopped, refuses connections."""
    with pytest.raises(AMQPConnectionError):
        await connect(EmbeddedServer(), name="early")
    await server.stop()
    with pytest.raises(AMQPConnectionError):
        await connect(server, name="late")


async def test_consumers_start_in_the_order_of_delivery(server: EmbeddedServer) -> None:
    """However many messages a consumer holds at once, its callbacks begin in the queue's order."""
    connection = await connect(server, name="worker")
    channel = await connection.channel(on_return_raises=True)
    queue = await channel.declare_queue("work", durable=True)
    sent = [str(n) for n in range(1000)]
    await send(channel, "work", *sent)
    inbox = Inbox()
    await queue.consume(inbox)
    await inbox.holds(1000)
    assert inbox.bodies == sent
    await connection.close()


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("a.#.b", "a.b", True),
        ("a.#.b", "a.x.y.b", True),
        ("a.#.b", "a.b.c", False),
        ("#.#", "", True),
        ("*", "", False),
        ("*.*", "a.", True),
        ("#.*.#.*.#.*.#.z", ".".join("a" * 100), False),
    ],
)
def test_topic_patterns(pattern: str, key: str, matches: bool) -> None:
    """Topic patterns match word by word, in linear time whatever the pattern."""
    assert topic_matches(pattern, key) is matches

"""R2: what aio-pika does with our messages on a quorum queue, and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import aio_pika
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from broker.consume import ORDERED_PREFETCH
from broker.messages import AddItem, Envelope, Sender, pack
from broker.topology import QUORUM
from ops.bench.figures import Figure
from ops.bench.scenarios.base import Bench, Load, Scenario
from ops.bench.stand import Stand

PUBLISH, CONSUME = "R2 publish", "R2 consume"


def body(isbn: str) -> bytes:
    """An AddItem as the edge sends it."""
    cart = uuid4().hex
    message = AddItem(cart_id=cart, isbn=isbn, quantity=1)
    return Envelope(
        id=uuid4().hex,
        type="AddItem",
        version=AddItem.version,
        key=cart,
        sender=Sender(f"guest:{cart}", holds=(cart,)),
        accepted_at=datetime.now(UTC),
        correlation_id=uuid4().hex,
        fingerprint=uuid4().hex,
        data=pack(message),
    ).to_bytes()


@asynccontextmanager
async def quorum_queue(on: Stand) -> AsyncIterator[tuple[AbstractConnection, str]]:
    """A connection, and a queue of its own that goes with it."""
    name = f"bench.{uuid4().hex}"
    connection = await aio_pika.connect(on.rabbitmq.url)
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue(name, durable=True, arguments=QUORUM)
        try:
            yield connection, name
        finally:
            await channel.queue_delete(name)


async def _queue(bench: Bench, load: Load) -> list[Figure]:
    async with quorum_queue(bench.on) as (connection, name):
        content = body(bench.isbns[0])
        await _publish(connection, name, content, load.shoppers, bench.warm_up_s)
        await _purged(connection, name)
        many, published_s = await _publish(connection, name, content, load.shoppers, bench.seconds)
        consumed_s = await _consume(connection, name, many)
    figures = ((PUBLISH, "publish with confirm", published_s), (CONSUME, "consume with ack", consumed_s))
    return [
        Figure(
            name=name,
            load=load.name if name == PUBLISH else "",
            what=f"bare aio-pika, {what}, our body, a quorum queue",
            value=many / seconds,
            values=[many / seconds],
        )
        for name, what, seconds in figures
    ]


async def _publish(
    connection: AbstractConnection, name: str, content: bytes, at_once: int, seconds: float
) -> tuple[int, float]:
    """How many were confirmed, and in how long: so many publishers share a channel, each waits for its confirm."""
    channel = await connection.channel(publisher_confirms=True)
    exchange, many = channel.default_exchange, 0
    begun = time.perf_counter()

    async def publisher() -> None:
        nonlocal many
        while time.perf_counter() - begun < seconds:
            message = Message(content, delivery_mode=DeliveryMode.PERSISTENT, message_id=uuid4().hex)
            await exchange.publish(message, name, mandatory=True)
            many += 1

    await asyncio.gather(*(publisher() for _ in range(at_once)))
    return many, time.perf_counter() - begun


async def _purged(connection: AbstractConnection, name: str) -> None:
    channel = await connection.channel()
    queue = await channel.get_queue(name)
    await queue.purge()
    await channel.close()


async def _consume(connection: AbstractConnection, name: str, many: int) -> float:
    """Seconds in which so many were delivered and acked, one by one."""
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=ORDERED_PREFETCH)
    queue = await channel.get_queue(name)
    left, done = many, asyncio.Event()

    async def take(message: AbstractIncomingMessage) -> None:
        nonlocal left
        await message.ack()
        left -= 1
        if not left:
            done.set()

    begun = time.perf_counter()
    tag = await queue.consume(take)
    await done.wait()
    seconds = time.perf_counter() - begun
    await queue.cancel(tag)
    return seconds


async def published(
    connection: AbstractConnection, name: str, bodies: Sequence[bytes], at_once: int = 64
) -> None:
    """Puts JSON bodies into a queue, confirmed."""
    channel = await connection.channel(publisher_confirms=True)
    left = iter(bodies)

    async def publisher() -> None:
        for content in left:
            message = Message(content, delivery_mode=DeliveryMode.PERSISTENT, content_type="application/json")
            await channel.default_exchange.publish(message, name)

    await asyncio.gather(*(publisher() for _ in range(at_once)))


R2 = Scenario("R2", "bare aio-pika: publish with confirm, consume with ack", _queue, loads=("closed",))

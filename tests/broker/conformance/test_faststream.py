"""FastStream's RabbitBroker, unchanged, on either broker."""

import asyncio

from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitExchange, RabbitMessage, RabbitQueue

from broker.subscribing import Broker
from tests.broker.conformance.sides import Client, Side, drain


async def test_handler_with_manual_ack_sees_every_message_and_settles_it(client: Client, side: Side) -> None:
    """A subscriber with AckPolicy.MANUAL acks or dead-letters each message; nothing is left over."""
    broker = Broker(side.endpoint, name="worker", logger=None)
    queue = RabbitQueue(
        "carts.0",
        queue_type=QueueType.QUORUM,
        durable=True,
        routing_key="carts.*",
        arguments={
            "x-single-active-consumer": True,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "carts.dead",
        },
    )
    exchange = RabbitExchange("commands", type=ExchangeType.TOPIC, durable=True)
    seen: list[str] = []
    done = asyncio.Event()

    @broker.subscriber(queue, exchange, ack_policy=AckPolicy.MANUAL, channel=Channel(prefetch_count=1))
    async def handle(body: str, message: RabbitMessage) -> None:
        seen.append(body)
        if body == "poison":
            await message.reject()
        else:
            await message.ack()
        if len(seen) == 5:
            done.set()

    channel = await client.channel()
    dead = await channel.declare_queue("carts.dead", durable=True, arguments={"x-queue-type": "quorum"})
    await broker.start()
    try:
        for body in ("1", "2", "poison", "3", "4"):
            await broker.publish(body, exchange=exchange, routing_key="carts.7", persist=True)
        await asyncio.wait_for(done.wait(), 20)
        assert await drain(dead, 1) == ["poison"]
    finally:
        await broker.stop()
    assert seen == ["1", "2", "poison", "3", "4"]
    left = await channel.declare_queue("carts.0", passive=True)
    assert left.declaration_result.message_count == 0


async def test_request_gets_its_reply(client: Client, side: Side) -> None:
    """FastStream's request travels over direct reply-to and comes back with the handler's answer."""
    broker = Broker(side.endpoint, name="asker", logger=None)

    @broker.subscriber(RabbitQueue("upper", auto_delete=True))
    async def upper(body: str) -> str:
        return body.upper()

    await broker.start()
    try:
        reply = await broker.request("quire", "upper", timeout=20)
        assert await reply.decode() == "QUIRE"
    finally:
        await broker.stop()

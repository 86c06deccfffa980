"""Putting the topology on a broker, and saying what differs."""

import asyncio

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractRobustConnection
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed

from broker.topology import EXCHANGES, RETRY_TIERS, QueueSpec, RetryTier, bindings, queues

TOGETHER = 64  # bindings under way at a time


class TopologyDiffers(Exception):
    """The broker has a queue or exchange of this name with other arguments, which cannot be changed in place."""


async def apply(connection: AbstractRobustConnection, tiers: tuple[RetryTier, ...] = RETRY_TIERS) -> None:
    """Declares every exchange, queue and binding; what stands already is left as it is.

    Raises `TopologyDiffers` where something stands with other arguments: drain and delete that queue first.
    """
    channel = await connection.channel()
    try:
        for name, kind in EXCHANGES:
            await channel.declare_exchange(name, ExchangeType(kind), durable=True, robust=False)
        declared = {}
        for spec in queues(tiers):
            declared[spec.name] = await channel.declare_queue(
                spec.name, durable=True, arguments=spec.arguments, robust=False
            )
        room = asyncio.Semaphore(TOGETHER)

        async def bind(exchange: str, routing_key: str, queue: str) -> None:
            async with room:
                await declared[queue].bind(exchange, routing_key, robust=False)

        await asyncio.gather(*(bind(each.exchange, each.routing_key, each.queue) for each in bindings()))
    except ChannelPreconditionFailed as error:
        raise TopologyDiffers(f"the broker's topology differs: {error}") from error
    finally:
        if not channel.is_closed:
            await channel.close()


async def check(connection: AbstractRobustConnection) -> list[str]:
    """What is missing or differs, in words; empty where all queues and exchanges stand as they should."""
    findings = []
    for name, kind in EXCHANGES:
        channel = await connection.channel()
        try:
            await channel.declare_exchange(name, ExchangeType(kind), durable=True, passive=True)
        except ChannelNotFoundEntity:
            findings.append(f"exchange {name} is missing")
        finally:
            await _close(channel)
    for spec in queues():
        findings.extend(await _check_queue(connection, spec))
    return findings


async def _check_queue(connection: AbstractRobustConnection, spec: QueueSpec) -> list[str]:
    channel = await connection.channel()
    try:
        await channel.declare_queue(spec.name, durable=True, passive=True)
        await channel.declare_queue(spec.name, durable=True, arguments=spec.arguments)
    except ChannelNotFoundEntity:
        return [f"queue {spec.name} is missing"]
    except ChannelPreconditionFailed as error:
        return [f"queue {spec.name} differs: {error}"]
    finally:
        await _close(channel)
    return []


async def _close(channel: AbstractChannel) -> None:
    if not channel.is_closed:
        await channel.close()

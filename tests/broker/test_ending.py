"""A cancellation that somebody asked for, and one that aiormq makes of a broken connection."""

import asyncio

import pytest

from broker.consume import Consumer
from broker.embedded import EmbeddedServer
from broker.ending import ConnectionBroke, breaks_told
from broker.subscribing import Broker
from broker.topology import BY_NAME


async def broken() -> None:
    """As an RPC ends whose connection heard nothing for three heartbeats."""
    raise asyncio.CancelledError


async def waits() -> None:
    """For ever."""
    with breaks_told():
        await asyncio.Event().wait()


async def test_what_nobody_cancelled_broke() -> None:
    """It is an error like any other of a connection."""
    with pytest.raises(ConnectionBroke), breaks_told():
        await broken()


async def test_who_is_cancelled_stays_cancelled() -> None:
    """By its own task's cancellation, and by a time limit round it."""
    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await waits()


async def test_a_queue_that_cannot_be_opened_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens many at a time tells that from its own end."""
    group = BY_NAME["carts"]
    consumer = Consumer(
        Broker(EmbeddedServer(), name="test", logger=None, apply_types=False), group, "carts.0", 1, print
    )
    monkeypatch.setattr(consumer._subscriber, "start", broken)
    opened = await asyncio.gather(consumer.open(), return_exceptions=True)
    assert [type(each) for each in opened] == [ConnectionBroke]


async def test_a_consuming_connection_that_failed_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would come back by itself, one more for each try."""
    server = EmbeddedServer()
    await server.start()
    broker = Broker(server, name="test", logger=None, apply_types=False)

    async def fails() -> None:
        raise ConnectionError("broke")

    monkeypatch.setattr(type(broker.config.channel_manager), "get_channel", lambda *_: fails())
    with pytest.raises(ConnectionError):
        await broker.connect()
    assert server.transports == []
    await server.stop()

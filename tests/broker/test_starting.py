"""Starting a worker: once its broker is there, and without a trace where it is given up."""

import asyncio
from typing import Any

import pytest
from aio_pika.exceptions import AMQPConnectionError

from broker import declare
from broker.connection import connect
from broker.consume import Consumer
from broker.embedded import EmbeddedServer, MemoryJournal
from broker.runtime import Runtime
from documents.terms import Terms
from tests.broker.house import ALL, TIERS


async def test_a_worker_starts_once_the_broker_is_there(worker_database: Any) -> None:
    """`start` raises what aio-pika raises, leaves nothing behind, and may be called again."""
    server = EmbeddedServer(MemoryJournal())
    runtime = Runtime(server, worker_database, ALL, Terms(), tiers=TIERS)
    with pytest.raises(AMQPConnectionError):
        await runtime.start()
    assert {"acks", "commit loop", "group commit", "outbox relay"}.isdisjoint(
        task.get_name() for task in asyncio.all_tasks()
    )
    await server.start()
    connection = await connect(server, name="topology")
    await declare.apply(connection, TIERS)
    await connection.close()
    await runtime.start()
    assert runtime.healthy
    await runtime.stop()
    await server.stop()


async def test_a_queue_that_cannot_be_opened_ends_the_opening_of_the_others(
    worker_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would go on opening on a broker that `start` has closed, and the next `start` would open them again."""
    server = EmbeddedServer(MemoryJournal())
    await server.start()
    opening: set[str] = set()

    async def opened(consumer: Consumer) -> None:
        if consumer.queue == "carts.1":
            raise ConnectionError("carts.1 has no leader")
        opening.add(consumer.queue)
        try:
            await asyncio.Event().wait()
        finally:
            opening.remove(consumer.queue)

    monkeypatch.setattr(Consumer, "open", opened)
    runtime = Runtime(server, worker_database, ALL, Terms(), tiers=TIERS)
    with pytest.raises(ConnectionError, match=r"carts\.1"):
        await runtime.start()
    assert not opening
    await server.stop()


async def test_a_start_that_is_given_up_leaves_no_connection(
    worker_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where the broker does not answer to being left: what closes it is not itself cancelled."""
    monkeypatch.setattr("broker.runtime.CLOSE_WITHIN_S", 0.05)
    server = EmbeddedServer(MemoryJournal())
    await server.start()
    opening = asyncio.Event()

    async def opened(_consumer: Consumer) -> None:
        opening.set()
        await asyncio.Event().wait()

    async def never() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Consumer, "open", opened)
    runtime = Runtime(server, worker_database, ALL, Terms(), tiers=TIERS)
    monkeypatch.setattr(runtime._broker, "stop", never)
    await runtime.stop()  # it does not run: nothing to stop, and nothing hangs
    starting = asyncio.create_task(runtime.start())
    await opening.wait()
    connected = runtime.publisher.ready
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert (connected, runtime.publisher.ready) == (True, False)
    async with asyncio.timeout(5):
        await runtime.stop()
    monkeypatch.undo()
    await runtime._broker.stop()
    await server.stop()

"""The worker's process."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from structlog.testing import CapturingLogger

from broker.embedded import EmbeddedServer, MemoryJournal
from ops.instance import QUIRE
from ops.servers import Mongod
from ops.servers.child import Child
from ops.servers.ports import free_port
from ops.settings import Settings
from ops.tasks import Stopped
from ops.worker import working
from tests.broker.house import until


async def test_it_stops_while_it_waits_for_its_broker(
    mongod: Mongod, mongo_database: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """A broker that never comes keeps nobody from stopping it."""
    env = {
        "QUIRE_RABBITMQ_URL": f"amqp://guest:guest@127.0.0.1:{free_port(None)}/",
        "QUIRE_MONGODB_URL": mongod.url,
        "QUIRE_DATABASE": mongo_database.name,
    }
    worker = await Child.start("worker", (*QUIRE, "worker", "--group", "carts"), tmp_path, env=env)

    async def waits() -> bool:
        return '"what": "broker"' in worker.log.read_text()

    try:
        await worker.until(waits, within_s=60)
        worker.signal(signal.SIGTERM)
        assert await asyncio.wait_for(worker.wait(), 30) == 0
    finally:
        await worker.stop()


async def test_it_stops_while_its_groups_wait_for_the_broker(
    mongo_database: AsyncDatabase[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker can go away between the topology and the consumers: nothing of the groups is left behind."""
    stop, before = asyncio.Event(), asyncio.all_tasks()

    async def works() -> None:
        async with working(
            ("carts", "notifications"), Settings(), EmbeddedServer(MemoryJournal()), mongo_database, stop=stop
        ):
            raise AssertionError("there is no broker")

    log = CapturingLogger()
    monkeypatch.setattr("ops.parts.log", log)
    task = asyncio.create_task(works())

    async def waits() -> bool:
        return any(call.args == ("waiting",) for call in log.calls)

    await until(waits, "it to wait for its broker")
    stop.set()
    with pytest.raises(Stopped):
        await asyncio.wait_for(task, 30)
    assert asyncio.all_tasks() - before <= {task}

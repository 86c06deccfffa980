"""The worker's process."""

import asyncio
import signal
from pathlib import Path
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from ops.instance import QUIRE
from ops.servers import Mongod
from ops.servers.child import Child
from ops.servers.ports import free_port


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

    await worker.until(waits, within_s=60)
    worker.signal(signal.SIGTERM)
    assert await asyncio.wait_for(worker.wait(), 30) == 0

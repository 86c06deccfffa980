"""`quire up` as a process."""

import asyncio
import os
import signal
from pathlib import Path

from ops.instance import QUIRE
from ops.servers.child import Child
from ops.servers.ports import free_port


async def test_it_stops_while_it_waits_for_its_broker(tmp_path: Path) -> None:
    """A broker that never comes keeps nobody from stopping it, and its own mongod ends with it."""
    nobody = f"amqp://guest:guest@127.0.0.1:{free_port(None)}/"
    env = os.environ | {"QUIRE_DATA": str(tmp_path / "data")}
    up = await Child.start("up", (*QUIRE, "up", "--rabbitmq", nobody), tmp_path, env=env)

    async def waits() -> bool:
        return '"what": "broker"' in up.log.read_text()

    await up.until(waits, within_s=60)
    up.signal(signal.SIGTERM)
    assert await asyncio.wait_for(up.wait(), 30) == 0

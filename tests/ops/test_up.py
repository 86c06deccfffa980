"""`quire up` as a process."""

import asyncio
import os
import signal
from pathlib import Path

import psutil

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

    try:
        await up.until(waits, within_s=60)
        servers = [
            each for each in psutil.Process(up.pid).children(recursive=True) if each.name() == "mongod"
        ]
        assert servers
        up.signal(signal.SIGTERM)
        assert await asyncio.wait_for(up.wait(), 30) == 0
        assert not any(each.is_running() for each in servers)
    finally:
        await up.stop()

"""Servers of our own: they come up, they keep their data, and they go when Quire goes."""

import asyncio
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aio_pika
import psutil
import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from redis.asyncio import Redis as RedisClient

from ops.servers import FolderInUse, Mongod, RabbitMQ, Redis, ServerFailed, ServerMissing, own
from ops.servers.child import Child
from ops.servers.mongod import find_mongod

# What a test's other process runs: it starts something, says so, and waits to be killed.
STARTS_MONGOD = """
import asyncio, sys
from pathlib import Path
from ops.servers import Mongod
async def main():
    server = await Mongod.start(Path(sys.argv[1]))
    print(server.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
OWNS_FOLDER = """
import os, sys, time
from pathlib import Path
from ops.servers import own
with own(Path(sys.argv[1])):
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""
SLEEPER = ("sleep", "600")
# A server that does not end when it is asked to.
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""


async def until(holds: Callable[[], bool | Awaitable[bool]], within_s: float = 20) -> None:
    """Wait until `holds()`; fails the test after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not (await held if isinstance(held := holds(), Awaitable) else held):
        assert time.monotonic() < deadline, f"did not come to hold within {within_s} s"
        await asyncio.sleep(0.02)


async def other_process(code: str, folder: Path) -> tuple[asyncio.subprocess.Process, int]:
    """Run `code` in a process of its own; the process, and the number that it prints first."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(folder)), stdin=pipe, stdout=pipe, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    return process, int(await process.stdout.readline())


def gone(pid: int) -> bool:
    """Whether no such process runs any more (one that only waits to be reaped does not run)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_mongod_takes_transactions(mongo_database: AsyncDatabase[dict[str, Any]]) -> None:
    """A mongod of our own takes transactions: it is a replica set."""
    async with mongo_database.client.start_session() as session, await session.start_transaction():
        await mongo_database.things.insert_one({"_id": 1}, session=session)
    assert await mongo_database.things.count_documents({}) == 1


async def test_a_mongod_dies_with_its_parent(tmp_path: Path, mongod: Mongod) -> None:
    """A mongod is gone soon after the process that started it was killed; the next may start at once."""
    process, pid = await other_process(STARTS_MONGOD, tmp_path)
    assert not gone(pid)
    process.kill()
    await process.wait()
    # Started while the old one is still ending: the folder is awaited, not fought over.
    server = await Mongod.start(tmp_path)
    try:
        assert gone(pid)
        assert server.pid != pid
    finally:
        await server.stop()


@pytest.mark.parametrize("ends", ["stop", "kill"])
async def test_data_survives_a_restart(tmp_path: Path, mongod: Mongod, ends: str) -> None:
    """What a mongod acknowledged outlives a clean stop and a kill, also when its port has been taken."""
    server = await Mongod.start(tmp_path)
    async with AsyncMongoClient[dict[str, Any]](server.url) as client:
        await client.shop.things.insert_one({"_id": 1})
    await (server.stop() if ends == "stop" else server.kill())

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", server.port):
        second = await Mongod.start(tmp_path)
        try:
            assert second.port != server.port
            async with AsyncMongoClient[dict[str, Any]](second.url) as client:
                await client.shop.things.insert_one({"_id": 2})
                assert await client.shop.things.count_documents({}) == 2
        finally:
            await second.stop()


async def test_a_port_is_kept(tmp_path: Path, mongod: Mongod) -> None:
    """A mongod comes back on the port that it had."""
    first = await Mongod.start(tmp_path)
    await first.stop()
    second = await Mongod.start(tmp_path)
    await second.stop()
    assert second.url == first.url


async def test_one_owner_at_a_time(tmp_path: Path) -> None:
    """A folder that another process owns is refused, and that process named; a kill sets it free."""
    process, pid = await other_process(OWNS_FOLDER, tmp_path)
    with pytest.raises(FolderInUse, match=rf"in use by process {pid}\b") as refused, own(tmp_path):
        pass
    assert refused.value.pid == pid
    process.kill()
    await process.wait()
    with own(tmp_path) as folder:
        assert folder == tmp_path


def test_a_folder_can_be_owned_again(tmp_path: Path) -> None:
    """An owner that let go of its folder may take it again, and the folder is for its owner's eyes only."""
    folder = tmp_path / "a" / "b"
    for _ in range(2):
        with own(folder):
            assert folder.stat().st_mode & 0o777 == 0o700


def test_a_missing_mongod_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the extra and without a mongod on PATH the error names the ways out."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerMissing, match=r"`embedded` extra.*on PATH.*URL"):
        find_mongod()


def test_a_mongod_on_path_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the extra, the mongod on PATH serves."""
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() == program


async def test_a_missing_rabbitmq_says_what_to_do(tmp_path: Path) -> None:
    """A system without RabbitMQ is named, with the way to install it, before anything is started."""
    with pytest.raises(ServerMissing, match=r"no RabbitMQ in .*apt-get install"):
        await RabbitMQ.start(tmp_path / "system" / "node", root=tmp_path / "system")


async def test_a_missing_redis_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a redis-server on PATH the error says how to get one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerMissing, match=r"apt-get install .*redis-server"):
        await Redis.start(tmp_path)


async def test_a_server_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    """An error at the start ends with what the server said last."""
    child = await Child.start(
        "broken", (sys.executable, "-c", "raise SystemExit('no such option')"), tmp_path
    )

    async def never() -> bool:
        return False

    with pytest.raises(ServerFailed, match=r"(?s)ended at its start with status 1.*no such option"):
        await child.until(never, within_s=20)


async def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    """A program that is not there fails with its name, as status 127."""
    child = await Child.start("absent", (str(tmp_path / "absent"),), tmp_path)
    assert await child.wait() == 127
    assert f"{tmp_path / 'absent'}: No such file" in child.log.read_text()


async def test_a_stubborn_server_is_killed(tmp_path: Path) -> None:
    """A server that does not end within its grace is killed."""
    child = await Child.start("stubborn", (sys.executable, "-c", STUBBORN), tmp_path, grace_s=0.2)
    await until(lambda: "up" in child.log.read_text())
    assert await child.stop() == 128 + signal.SIGKILL
    assert gone(child.pid)


async def test_a_frozen_server_still_stops(tmp_path: Path) -> None:
    """A server that was frozen ends by SIGTERM, without waiting for the end of its grace."""
    child = await Child.start("frozen", SLEEPER, tmp_path, grace_s=60)
    child.signal(signal.SIGSTOP)
    await until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)
    async with asyncio.timeout(20):
        assert await child.stop() == 128 + signal.SIGTERM


async def test_a_killed_guard_takes_its_server_along(tmp_path: Path) -> None:
    """Where the guard itself is killed, the kernel ends the server."""
    child = await Child.start("guarded", SLEEPER, tmp_path)
    os.kill(psutil.Process(child.pid).ppid(), signal.SIGKILL)
    await child.wait()
    await until(lambda: gone(child.pid))


async def test_ctrl_c_does_not_reach_a_server(tmp_path: Path) -> None:
    """Guard and server run in sessions of their own: the terminal's signals go to neither."""
    child = await Child.start("apart", SLEEPER, tmp_path)
    try:
        sessions = {os.getsid(pid) for pid in (child.pid, psutil.Process(child.pid).ppid())}
        assert os.getsid(0) not in sessions
    finally:
        await child.stop()


async def test_a_redis_answers(redis_server: Redis) -> None:
    """A Redis of our own takes and gives."""
    async with RedisClient.from_url(redis_server.url, decode_responses=True) as client:
        await client.set("k", "v")
        assert await client.get("k") == "v"


async def test_a_virtual_host_is_empty(rabbitmq: RabbitMQ, rabbitmq_vhost: str, rabbitmq_url: str) -> None:
    """A test's virtual host takes quorum queues, and has none but its own."""
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("mine", durable=True, arguments={"x-queue-type": "quorum"})
        queues = await rabbitmq.management("GET", f"queues/{rabbitmq_vhost}")
    assert [queue["name"] for queue in queues] == ["mine"]


async def test_a_rabbitmq_shares_nothing(rabbitmq: RabbitMQ) -> None:
    """A RabbitMQ of our own listens on the loopback alone, with its own password and its own epmd."""
    listening = {
        connection.laddr.ip
        for child in (rabbitmq.pid, rabbitmq.epmd_pid)
        for connection in psutil.Process(child).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::1"}  # epmd always adds ::1
    assert rabbitmq.node.name in await rabbitmq.ctl("cluster_status")
    assert "guest" not in await rabbitmq.ctl("list_users")
    assert (rabbitmq.folder / "node.json").stat().st_mode & 0o777 == 0o600


async def test_a_rabbitmq_comes_back_with_its_messages(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    """A persistent message in a quorum queue outlives a kill of its node, and is at the same address."""
    server = await RabbitMQ.start(tmp_path)
    epmd = server.epmd_pid

    async def counted() -> bool:
        return bool((await server.management("GET", "queues/%2f/kept")).get("messages") == 1)

    try:
        async with await aio_pika.connect(server.url) as connection:
            channel = await connection.channel(publisher_confirms=True)
            await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
            message = aio_pika.Message(b"here", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, "kept", mandatory=True)
            # Killed within the first tick of a new queue (5 s), RabbitMQ 3.10 finds it again, no leader for
            # it, and every call waits for one. The figures of the management API come with that tick.
            await until(counted)
            await server.kill()
        await server.restart()
        assert gone(epmd)
        async with await aio_pika.connect(server.url) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue("kept")
            assert (await queue.get(timeout=20)).body == b"here"
    finally:
        await server.stop()

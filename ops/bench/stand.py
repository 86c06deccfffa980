"""The test stand: a RabbitMQ, a mongod, a Redis, one edge and one worker, each a process of its own."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from ops.servers import Mongod, RabbitMQ, Redis
from ops.servers.child import Child
from ops.servers.errors import ServerFailed
from ops.servers.ports import free_port

READY_WITHIN_S = 60
T = TypeVar("T")


@dataclass(frozen=True)
class Stand:
    """What is being measured. `processes` maps a part to its process id."""

    url: str
    mongodb_url: str
    rabbitmq_url: str
    operator_token: str
    processes: dict[str, int]
    ended: asyncio.Future[None]  # fails when edge or worker is gone

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Does the work while edge and worker live. Raises `ServerFailed` as soon as one is gone."""
        task = asyncio.create_task(work)
        either: set[asyncio.Future[Any]] = {task, self.ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self.ended.done():
            task.cancel()
            self.ended.result()
        return await task

    def usage(self) -> dict[str, "Usage"]:
        """What each part, with its children, has used so far."""
        return {name: usage_of(pid, descendants=pid != os.getpid()) for name, pid in self.processes.items()}


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time since the start (user and system, seconds) and resident memory now (bytes)."""

    cpu_s: float
    resident: int


def usage_of(pid: int, *, descendants: bool = True, leave_out: str = "") -> Usage:
    """Of a process and its descendants, but for programs of the name `leave_out`."""
    cpu_s, resident = 0.0, 0
    root = psutil.Process(pid)
    for process in (root, *(root.children(recursive=True) if descendants else ())):
        try:
            if leave_out and process.name() == leave_out:
                continue
            times = process.cpu_times()
            cpu_s += times.user + times.system
            resident += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return Usage(cpu_s, resident)


@asynccontextmanager
async def stand(folder: Path) -> AsyncIterator[Stand]:
    """Everything started and ready, for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        mongod = await Mongod.start(folder / "mongod")
        stack.push_async_callback(mongod.stop)
        rabbitmq = await RabbitMQ.start(folder / "rabbitmq")
        stack.push_async_callback(rabbitmq.stop)
        redis = await Redis.start(folder / "redis")
        stack.push_async_callback(redis.stop)
        token = secrets.token_urlsafe(32)
        port = free_port(None)
        env = os.environ | {
            "QUIRE_DATA": str(folder),
            "QUIRE_PORT": str(port),
            "QUIRE_RABBITMQ_URL": rabbitmq.url,
            "QUIRE_MONGODB_URL": mongod.url,
            "QUIRE_REDIS_URL": redis.url,
            "QUIRE_SIGNING_KEYS": secrets.token_urlsafe(32),
            "QUIRE_OPERATOR_TOKEN": token,
            "QUIRE_LOG_LEVEL": "warning",
        }
        quire = (sys.executable, "-c", "from ops.cli import main; main()")
        worker = await Child.start("worker", (*quire, "worker"), folder, env=env)
        stack.push_async_callback(worker.stop)
        edge = await Child.start("edge", (*quire, "edge"), folder, env=env)
        stack.push_async_callback(edge.stop)
        url = f"http://127.0.0.1:{port}"
        await edge.until(lambda: _ready(url), within_s=READY_WITHIN_S)
        processes = {
            "edge": edge.pid,
            "worker": worker.pid,
            "mongod": mongod.pid,
            "rabbitmq": rabbitmq.pid,
            "redis": redis.pid,
            "shoppers": os.getpid(),
        }
        ended = asyncio.ensure_future(_one_ends(edge, worker))
        stack.callback(ended.cancel)
        yield Stand(url, mongod.url, rabbitmq.url, token, processes, ended)


async def _one_ends(*children: Child) -> None:
    waits = {asyncio.create_task(child.wait()): child for child in children}
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    child = waits[done.pop()]
    raise ServerFailed(child.name, "ended in the middle of the run", child.log)


async def _ready(url: str) -> bool:
    try:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{url}/health/ready")
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and all(part["ok"] for part in answer.json()["parts"].values())

"""The test stand: a RabbitMQ, a mongod, a Redis, edges and workers, each a process of its own."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from broker.topology import BY_NAME
from ops.bench.figures import Figure, WentWrong
from ops.instance import QUIRE
from ops.servers import Mongod, RabbitMQ, Redis
from ops.servers.child import Child
from ops.servers.errors import ServerFailed
from ops.servers.ports import free_port
from ops.settings import Settings

READY_WITHIN_S = 60
LOOK_EVERY_S = 0.2
T = TypeVar("T")
Groups = tuple[str, ...]
Database = AsyncDatabase[dict[str, Any]]

ORDERED = tuple(name for name, group in BY_NAME.items() if group.ordered)
DEFAULT_WORKERS = ("carts,orders", "catalog,payments,shipments,notifications")


@dataclass(frozen=True, slots=True)
class Layout:
    """How many edges, and which groups each worker runs."""

    edges: int = 1
    workers: tuple[Groups, ...] = (tuple(BY_NAME),)

    @classmethod
    def of(cls, edges: int, workers: Sequence[str]) -> "Layout":
        """From the command line: each worker is `all` or groups separated by commas.

        Raises `WentWrong` where a group is unknown, or run by no worker: its messages would wait for ever.
        """
        spread = tuple(
            tuple(BY_NAME) if words == "all" else tuple(word.strip() for word in words.split(","))
            for words in workers
        )
        run = {name for groups in spread for name in groups}
        if run - BY_NAME.keys():
            raise WentWrong(f"no group is called {', '.join(sorted(run - BY_NAME.keys()))}")
        if BY_NAME.keys() - run:
            raise WentWrong(f"no worker runs {', '.join(sorted(BY_NAME.keys() - run))}")
        return cls(edges, spread)


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time since the start (user and system, seconds) and resident memory now (bytes; pages that
    processes share are counted once among them, PSS)."""

    cpu_s: float
    resident: int


@dataclass
class Stand:
    """What is being measured. `processes` maps a part to its process id, `urls` are the edges'."""

    folder: Path
    layout: Layout
    mongod: Mongod
    rabbitmq: RabbitMQ
    database: Database
    operator_token: str
    env: Mapping[str, str]
    urls: list[str] = field(default_factory=list)
    processes: dict[str, int] = field(default_factory=dict)
    _over: Mapping[str, str] = field(default_factory=dict)
    _edges: list[Child] = field(default_factory=list)
    _workers: list[Child] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The first edge's address."""
        return self.urls[0]

    @property
    def has_workers(self) -> bool:
        """Whether any runs; `stop_workers` takes them away."""
        return bool(self._workers)

    async def start_edges(self) -> None:
        """Starts every edge and waits until all say that they are ready."""
        for number in range(self.layout.edges):
            port = free_port(None)
            env = {**self.env, **self._over, "QUIRE_PORT": str(port)}
            name = "edge" if self.layout.edges == 1 else f"edge {number + 1}"
            edge = await Child.start(name.replace(" ", "-"), (*QUIRE, "edge"), self.folder, env=env)
            self._edges.append(edge)
            self.processes[name] = edge.pid
            self.urls.append(f"http://127.0.0.1:{port}")
        for edge, url in zip(self._edges, self.urls, strict=True):
            await edge.until(lambda url=url: _ready(url), within_s=READY_WITHIN_S)  # type: ignore[misc]

    async def start_workers(self) -> None:
        """Starts every worker; returns at once."""
        for number, groups in enumerate(self.layout.workers):
            name = "worker" if len(self.layout.workers) == 1 else f"worker {number + 1}"
            words = [word for group in groups for word in ("--group", group)]
            env = {**self.env, **self._over}
            worker = await Child.start(
                name.replace(" ", "-"), (*QUIRE, "worker", *words), self.folder, env=env
            )
            self._workers.append(worker)
            self.processes[name] = worker.pid

    async def stop_workers(self) -> None:
        """Ends every worker; commands wait in the queues from then on."""
        workers, self._workers = self._workers, []
        for name in [name for name in self.processes if name.startswith("worker")]:
            del self.processes[name]
        await asyncio.gather(*(worker.stop() for worker in workers))

    async def stop(self) -> None:
        """Ends edges and workers."""
        await self.stop_workers()
        edges, self._edges = self._edges, []
        self.urls.clear()
        for name in [name for name in self.processes if name.startswith("edge")]:
            del self.processes[name]
        await asyncio.gather(*(edge.stop() for edge in edges))

    async def restart(self, over: Mapping[str, str]) -> None:
        """Edges and workers anew, with these settings over the stand's own."""
        await self.stop()
        self._over = over
        await self.start_workers()
        await self.start_edges()

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Does the work while edges and workers live. Raises `ServerFailed` as soon as one is gone."""
        task = asyncio.create_task(work)
        watch = asyncio.create_task(self._one_ends())
        try:
            await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done() and not task.done():
                watch.result()
            return await task
        finally:
            for each in (task, watch):
                each.cancel()
            await asyncio.gather(task, watch, return_exceptions=True)

    async def _one_ends(self) -> None:
        while True:
            for child in (*self._edges, *self._workers):
                if not child.running:
                    raise ServerFailed(child.name, "ended in the middle of the run", child.log)
            await asyncio.sleep(LOOK_EVERY_S)

    def usage(self) -> dict[str, Usage]:
        """What each part, with its children, has used so far; a worker that was stopped is not in it."""
        return {name: usage_of(pid, descendants=pid != os.getpid()) for name, pid in self.processes.items()}


@dataclass(slots=True)
class Meter:
    """Processor time between two moments, by part."""

    on: Stand
    before: dict[str, Usage]
    busy_s: float

    @classmethod
    def start(cls, on: Stand) -> "Meter":
        """From now on."""
        return cls(on, on.usage(), busy_s())

    def cores(self, figure: Figure, seconds: float) -> None:
        """Notes processor time a second over the seconds since the start, and the memory that is resident now.

        `elsewhere` is what the whole machine did besides, its neighbours under the same hypervisor included.
        """
        used_s = 0.0
        for name, usage in self.on.usage().items():
            part_s = self._used_s(name, usage)
            used_s += part_s
            figure.cores[name] = part_s / seconds
            figure.resident_mb[name] = usage.resident / 1e6
        figure.elsewhere = max(0.0, busy_s() - self.busy_s - used_s) / seconds

    def costs(self, figure: Figure, many: float) -> None:
        """Notes processor time since the start for each of so many of what the figure counts."""
        for name, usage in self.on.usage().items():
            figure.cpu_ms[name] = 1000 * self._used_s(name, usage) / many if many else 0.0

    def _used_s(self, name: str, usage: Usage) -> float:
        return usage.cpu_s - (self.before[name].cpu_s if name in self.before else 0.0)


def busy_s() -> float:
    """Processor time that was used on this machine, or taken from it (steal), since it started; seconds."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.steal)


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
            if not descendants:  # what has ended and was waited for: wrk
                cpu_s += times.children_user + times.children_system
            resident += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return Usage(cpu_s, resident)


@asynccontextmanager
async def stand(folder: Path, layout: Layout) -> AsyncIterator[Stand]:
    """Everything started and ready, for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        mongod = await Mongod.start(folder / "mongod")
        stack.push_async_callback(mongod.stop)
        rabbitmq = await RabbitMQ.start(folder / "rabbitmq")
        stack.push_async_callback(rabbitmq.stop)
        redis = await Redis.start(folder / "redis")
        stack.push_async_callback(redis.stop)
        client = await stack.enter_async_context(
            AsyncMongoClient[dict[str, Any]](mongod.url, tz_aware=True, appname="quire bench")
        )
        token = secrets.token_urlsafe(32)
        env = os.environ | {
            "QUIRE_DATA": str(folder),
            "QUIRE_RABBITMQ_URL": rabbitmq.url,
            "QUIRE_MONGODB_URL": mongod.url,
            "QUIRE_REDIS_URL": redis.url,
            "QUIRE_SIGNING_KEYS": secrets.token_urlsafe(32),
            "QUIRE_OPERATOR_TOKEN": token,
        }
        database = client[Settings.model_fields["database"].default]
        on = Stand(folder, layout, mongod, rabbitmq, database, token, env)
        on.processes.update(mongod=mongod.pid, rabbitmq=rabbitmq.pid, redis=redis.pid, shoppers=os.getpid())
        stack.push_async_callback(on.stop)
        await on.start_workers()
        await on.start_edges()
        yield on


async def _ready(url: str) -> bool:
    try:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{url}/health/ready")
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and all(part["ok"] for part in answer.json()["parts"].values())

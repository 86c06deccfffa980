"""The system under test: real servers, two edges, three workers, each a process, and proxies between them."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from ops.check import BrokerAddress
from ops.servers import RabbitMQ, Redis
from ops.servers.child import Child
from ops.servers.ports import free_port
from tests.faults.proxy import Proxy, proxy_to
from tests.faults.servers import ELECTION_MS, MongoSet, RabbitCluster, system_of

READY_WITHIN_S = 90
STARTED_AGAIN_AFTER_S = 0.5  # what a supervisor takes
# The product's longest tier is ten minutes: a run would mostly wait for it.
TIERS_S = (1.0, 3.0, 6.0, 12.0)
PART = (sys.executable, "-m", "tests.faults.part")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a stand is made of."""

    rabbitmq: str = "3.10"
    nodes: int = 1
    members: int = 1
    edges: int = 2
    workers: int = 3
    election_ms: int = ELECTION_MS


class Part:
    """An edge or a worker that is started again whenever it ends, as by a supervisor."""

    def __init__(self, name: str, kind: str, folder: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.kind = kind
        self.folder = folder / name
        self.folder.mkdir()
        self.child: Child | None = None
        self.ended: list[tuple[float, int]] = []  # when, and with which status
        self._env = {**env, "QUIRE_TEST_FOLDER": str(self.folder)}
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts it and its supervisor."""
        await self._start()
        self._task = asyncio.create_task(self._supervise())

    async def _start(self) -> None:
        self.child = await Child.start(self.name, (*PART, self.kind), self.folder, env=self._env, grace_s=25)

    async def _supervise(self) -> None:
        while True:
            assert self.child is not None
            status = await self.child.wait()
            self.ended.append((time.time(), status))
            await asyncio.sleep(STARTED_AGAIN_AFTER_S)
            await self._wanted.wait()
            await self._start()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to all of its processes; nothing where it has ended."""
        if self.child is not None and self.child.running:
            with contextlib.suppress(ProcessLookupError):  # just now, and nobody has heard of it yet
                os.killpg(self.child.pid, number)

    def hold(self) -> None:
        """Not started again until `release`."""
        self._wanted.clear()

    def release(self) -> None:
        """Started again where it has ended."""
        self._wanted.set()

    def arm(self, point: str) -> Path:
        """It dies at that point when it next passes it; the file that is gone once it has."""
        armed = self.folder / point
        armed.touch()
        return armed

    def disarm(self) -> None:
        """No point is armed any more."""
        for each in self.folder.iterdir():
            if each.is_file() and not each.suffix:
                each.unlink(missing_ok=True)  # it may be passed just now

    async def restart(self) -> float:
        """SIGTERM, as a rolling deployment does; the seconds until it had ended."""
        assert self.child is not None
        begun = time.monotonic()
        await self.child.stop()
        return time.monotonic() - begun

    async def stop(self) -> None:
        """Ends it and its supervisor."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.child is not None:
            self.signal(signal.SIGCONT)
            await self.child.stop()


@dataclass
class Servers:
    """The servers alone; several stands may use them, one after the other."""

    shape: Shape
    folder: Path
    rabbitmq: RabbitCluster
    mongo: MongoSet
    mongo_links: list[Proxy]
    redis: Redis


@dataclass
class Stand:
    """Everything that runs. `links` are the proxies between a part and the broker's nodes; those of the servers stand
    before the members of the replica set and are passed by everybody, the members too.
    """

    servers: Servers
    folder: Path
    name: str  # of its database and its virtual host
    gateway: Path
    operator_token: str
    bug: str = ""
    links: dict[str, list[Proxy]] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)

    @property
    def urls(self) -> list[str]:
        """The edges."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    @property
    def workers(self) -> list[Part]:
        """The workers."""
        return [part for part in self.parts.values() if part.kind == "worker"]

    @property
    def edges(self) -> list[Part]:
        """The edges."""
        return [part for part in self.parts.values() if part.kind == "edge"]

    @property
    def node(self) -> RabbitMQ:
        """A node of the broker that runs."""
        return next(node for node in self.servers.rabbitmq.nodes if node.running)

    @property
    def amqp_url(self) -> str:
        """Its virtual host, past the proxies."""
        return self.node.url_of(self.name)

    @property
    def broker(self) -> BrokerAddress:
        """The broker as a checker finds it, past the proxies."""
        return BrokerAddress(self.amqp_url, self.node.management_url)

    async def ready(self) -> None:
        """Returns once every edge is ready with all its parts. Raises `NotReady`, which says what is not."""
        deadline = time.monotonic() + READY_WITHIN_S
        async with aiohttp.ClientSession() as http:
            for url in self.urls:
                while (missing := await _missing(http, url)) is not None:
                    if time.monotonic() > deadline:
                        raise NotReady(
                            f"{url} is not ready {READY_WITHIN_S} s after everything healed: {missing}"
                        )
                    await asyncio.sleep(0.1)


class NotReady(AssertionError):
    """An edge that does not come back."""


async def _missing(http: aiohttp.ClientSession, url: str) -> str | None:
    """What an edge says that it misses; None where it has everything."""
    try:
        async with http.get(f"{url}/health/ready") as answer:
            said = await answer.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        return repr(error)
    if answer.status == 200 and all(part["ok"] for part in said["parts"].values()):
        return None
    return str(said.get("parts", said))


@asynccontextmanager
async def serving(shape: Shape) -> AsyncIterator[Servers]:
    """Servers for as long as the block lasts. Raises `ServerMissing` where the machine cannot have them."""
    root = system_of(shape.rabbitmq)
    folder = Path(tempfile.mkdtemp(prefix="quire-faults-", dir=root / "srv" if root is not None else None))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        ports = [free_port() for _ in range(shape.members)]
        links = [await stack.enter_async_context(proxy_to(port)) for port in ports]
        mongo = await MongoSet.start(
            folder / "mongo", ports, [link.port for link in links], shape.election_ms
        )
        stack.push_async_callback(mongo.stop)
        rabbitmq = await RabbitCluster.start(folder / "rabbitmq", many=shape.nodes, root=root)
        stack.push_async_callback(rabbitmq.stop)
        servers = Servers(shape, folder, rabbitmq, mongo, links, await Redis.start(folder / "redis"))

        async def end_redis() -> None:
            await servers.redis.stop()  # another one than at the start, where it was killed

        stack.push_async_callback(end_redis)
        yield servers


@asynccontextmanager
async def standing(
    servers: Servers, *, bug: str = "", tiers_s: tuple[float, ...] = TIERS_S
) -> AsyncIterator[Stand]:
    """A stand on these servers, with a database and a virtual host of its own, for as long as the block lasts.

    `tiers_s` are the delays of the retry tiers; `bug` is planted in its parts.
    """
    name = f"faults-{secrets.token_hex(4)}"
    folder = servers.folder / name
    folder.mkdir()
    stand = Stand(servers, folder, name, folder / "gateway", secrets.token_urlsafe(32), bug)
    await stand.node.create_vhost(name)
    async with AsyncExitStack() as stack:
        env = _environment(stand, tiers_s)
        for kind, many in (("worker", servers.shape.workers), ("edge", servers.shape.edges)):
            for number in range(1, many + 1):
                await _add_part(stand, kind, number, env, stack)
        await asyncio.gather(*(part.start() for part in stand.parts.values()))
        await stand.ready()
        yield stand
        await asyncio.gather(*(part.stop() for part in stand.parts.values()))
        await stand.node.delete_vhost(name)


def _environment(stand: Stand, tiers_s: tuple[float, ...]) -> dict[str, str]:
    return os.environ | {
        "QUIRE_DATA": str(stand.folder),
        "QUIRE_MONGODB_URL": stand.servers.mongo.url,
        "QUIRE_DATABASE": stand.name,
        "QUIRE_REDIS_URL": stand.servers.redis.url,
        "QUIRE_SIGNING_KEYS": secrets.token_urlsafe(32),
        "QUIRE_OPERATOR_TOKEN": stand.operator_token,
        "QUIRE_LOG_LEVEL": "info",
        "QUIRE_TEST_GATEWAY": str(stand.gateway),
        "QUIRE_TEST_BUG": stand.bug,
        "QUIRE_TEST_TIERS": ",".join(map(str, tiers_s)),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


async def _add_part(stand: Stand, kind: str, number: int, env: dict[str, str], stack: AsyncExitStack) -> None:
    name = f"{kind}-{number}"
    urls = []
    stand.links[name] = []
    for node in stand.servers.rabbitmq.nodes:
        link = await stack.enter_async_context(proxy_to(node.node.amqp_port))
        stand.links[name].append(link)
        urls.append(f"amqp://{node.user}:{node.password}@127.0.0.1:{link.port}/{stand.name}")
    first = number % len(urls)
    mine = {"QUIRE_RABBITMQ_URL": ",".join((*urls[first:], *urls[:first]))}
    if kind == "edge":
        stand.ports.append(free_port())
        mine["QUIRE_PORT"] = str(stand.ports[-1])
    part = stand.parts[name] = Part(name, kind, stand.folder, env | mine)
    stack.push_async_callback(part.stop)

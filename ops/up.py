"""`quire up`: everything in one process, plus the servers that it starts and that end with it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import structlog
from tenacity import AsyncRetrying, retry_if_result, wait_fixed

from broker.connection import Endpoint
from broker.embedded import EmbeddedServer, MongoJournal
from documents.catalog import Book
from ops import parts
from ops.database import Database, open_database
from ops.demo_catalogue import DEMO_PREFIX, demo_books
from ops.edge import make_edge, serving
from ops.garbage import keep_what_stands
from ops.imports import seed
from ops.instance import Instance, announced
from ops.servers import Mongod, RabbitMQ, own
from ops.settings import Settings, secret
from ops.tasks import Stopped, first, stop_signal, unless_stopped
from ops.telemetry import Instruments, instruments
from ops.worker import working

log = structlog.get_logger(__name__)

LOCAL = "local"
READY_WITHIN_S = 60.0
READY_POLL_S = 0.05

Ended = Callable[[], Coroutine[Any, Any, None]]
"""Returns once a part has ended that should not, or raises what ended it."""


@dataclass(frozen=True, slots=True)
class Broker:
    """What the parts connect to, and where a person may watch it."""

    endpoint: Endpoint
    url: str | None = None
    console: str | None = None


async def up(
    settings: Settings, *, rabbitmq: str | None, empty: bool, ready: Callable[[Instance], None]
) -> None:
    """Serves until SIGTERM or SIGINT. `rabbitmq`: None for the embedded broker, "local", or a URL.

    Raises `ServerError` (a server that is missing, fails, or a folder in use) or what made a part die.
    """
    stop = stop_signal()
    with suppress(Stopped):
        async with _running(settings, stop, rabbitmq=rabbitmq, empty=empty) as (instance, ended):
            keep_what_stands()
            ready(instance)
            await unless_stopped(stop, ended())


@asynccontextmanager
async def running(
    settings: Settings, *, rabbitmq: str | None, empty: bool, measured: Instruments | None = None
) -> AsyncIterator[Instance]:
    """An instance that is ready, for as long as the block lasts; `measured` instead of what the settings name."""
    never = asyncio.Event()
    async with _running(settings, never, rabbitmq=rabbitmq, empty=empty, measured=measured) as (instance, _):
        yield instance


@asynccontextmanager
async def _running(
    settings: Settings,
    stop: asyncio.Event,
    *,
    rabbitmq: str | None,
    empty: bool,
    measured: Instruments | None = None,
) -> AsyncIterator[tuple[Instance, Ended]]:
    """The instance, and what tells that it has ended. Raises `Stopped` where `stop` comes before it is ready."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(own(settings.data))
        settings = settings.model_copy(update={"data": folder})
        mongodb = secret(settings.mongodb_url)
        if mongodb is None:
            mongodb = await unless_stopped(stop, _mongod(settings, stack))
        database = await stack.enter_async_context(open_database(mongodb, settings.database, app="quire up"))
        broker = await unless_stopped(stop, _broker(settings, rabbitmq, database, stack))
        there = parts.until_there("broker", lambda: parts.apply_topology(broker.endpoint))
        await unless_stopped(stop, there)
        measured = measured or instruments(settings, "quire")
        stack.push_async_callback(measured.close)
        runtime = await stack.enter_async_context(
            working((), settings, broker.endpoint, database, stop=stop, measured=measured)
        )
        if not empty and await _shelves_are_bare():
            await unless_stopped(stop, seed(runtime.publisher))
        edge = make_edge(settings, broker.endpoint, measured, embedded=True, console=broker.console)
        served = await stack.enter_async_context(serving(edge, settings))
        await unless_stopped(stop, first(_ready(served.url), served.ended()))
        instance = Instance(
            url=served.url,
            operator_token=parts.operator_token(settings, embedded=True) or "",
            mongodb_url=mongodb,
            database=settings.database,
            rabbitmq_url=broker.url,
            management_url=broker.console,
            pid=os.getpid(),
        )
        stack.enter_context(announced(folder, instance))
        yield instance, lambda: first(runtime.died(), served.ended())


async def _shelves_are_bare() -> bool:
    """Whether the catalogue is empty, or holds nothing but the beginning of the demo's: a start that was cut off."""
    demo = {"$regex": f"^{DEMO_PREFIX}"}
    books = Book.get_pymongo_collection()
    own = await books.find_one({"_id": {"$not": demo}}, {"_id": 1})
    return own is None and await books.count_documents({"_id": demo}) < sum(1 for _ in demo_books())


async def _mongod(settings: Settings, stack: AsyncExitStack) -> str:
    mongod = await Mongod.start(settings.data / "mongod")
    stack.push_async_callback(mongod.stop)
    return mongod.url


async def _broker(
    settings: Settings, rabbitmq: str | None, database: Database, stack: AsyncExitStack
) -> Broker:
    url = secret(settings.rabbitmq_url) if rabbitmq is None else rabbitmq
    if url is None:
        server = EmbeddedServer(MongoJournal(database))
        await server.start()
        stack.push_async_callback(server.stop)
        return Broker(server)
    if url != LOCAL:
        return Broker(url, url)
    node = await RabbitMQ.start(settings.data / "rabbitmq")
    stack.push_async_callback(node.stop)
    return Broker(node.url, node.url, node.management_url)


async def _ready(url: str) -> None:
    """Waits until /health/ready says so."""
    async with asyncio.timeout(READY_WITHIN_S), httpx.AsyncClient(base_url=url) as client:

        async def ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        until_ready = AsyncRetrying(
            retry=retry_if_result(lambda well: not well), wait=wait_fixed(READY_POLL_S)
        )
        await until_ready(ready)

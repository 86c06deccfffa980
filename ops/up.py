"""`quire up`: everything in one process, plus the servers that it starts and that end with it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
import structlog
import uvicorn

from app.application import create_app
from broker.connection import Endpoint
from broker.embedded import EmbeddedServer, MongoJournal
from documents.catalog import Book
from ops import parts
from ops.database import Database, open_database
from ops.edge import make_edge, serving
from ops.imports import seed
from ops.instance import Instance, announced
from ops.servers import Mongod, RabbitMQ, own
from ops.settings import Settings, secret
from ops.worker import stop_signal, working

log = structlog.get_logger(__name__)

LOCAL = "local"
READY_WITHIN_S = 60.0
STOP_HTTP_WITHIN_S = 5


@dataclass(frozen=True, slots=True)
class Broker:
    """What the parts connect to, and where a person may watch it."""

    endpoint: Endpoint
    url: str | None = None
    console: str | None = None


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process decides when it stops."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


async def up(
    settings: Settings, *, rabbitmq: str | None, empty: bool, ready: Callable[[Instance], None]
) -> None:
    """Serves until SIGTERM or SIGINT. `rabbitmq`: None for the embedded broker, "local", or a URL.

    Raises `ServerError` (a server that is missing, fails, or a folder in use) or what made a part die.
    """
    stop = stop_signal()
    async with running(settings, rabbitmq=rabbitmq, empty=empty) as instance:
        ready(instance)
        await stop.wait()


@asynccontextmanager
async def running(settings: Settings, *, rabbitmq: str | None, empty: bool) -> AsyncIterator[Instance]:
    """An instance that is ready, for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(own(settings.data))
        settings = settings.model_copy(update={"data": folder})
        mongodb = secret(settings.mongodb_url) or await _mongod(settings, stack)
        database = await stack.enter_async_context(open_database(mongodb, settings.database, app="quire up"))
        broker = await _broker(settings, rabbitmq, database, stack)
        await parts.until_there("broker", lambda: parts.apply_topology(broker.endpoint))
        runtime = await stack.enter_async_context(working((), settings, broker.endpoint, database))
        if not empty and not await Book.get_pymongo_collection().find_one({}, {"_id": 1}):
            await seed(runtime.publisher)
        url = await stack.enter_async_context(_http(settings, broker.endpoint))
        instance = Instance(
            url=url,
            operator_token=parts.operator_token(settings, embedded=True) or "",
            mongodb_url=mongodb,
            database=settings.database,
            rabbitmq_url=broker.url,
            management_url=broker.console,
            pid=os.getpid(),
        )
        stack.enter_context(announced(folder, instance))
        yield instance


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


@asynccontextmanager
async def _http(settings: Settings, endpoint: Endpoint) -> AsyncIterator[str]:
    """The edge on uvicorn, in this process's event loop; yields its address once it is ready."""
    edge = make_edge(settings, endpoint, embedded=True)
    async with serving(edge):
        config = uvicorn.Config(
            create_app(edge),
            host=settings.host,
            port=settings.port,
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=STOP_HTTP_WITHIN_S,
            server_header=False,
        )
        server = Server(config)
        task = asyncio.create_task(server.serve(), name="http")
        try:
            yield await _ready(server, task, settings)
        finally:
            server.should_exit = True
            await asyncio.gather(task, return_exceptions=True)


async def _ready(server: Server, task: asyncio.Task[None], settings: Settings) -> str:
    async with asyncio.timeout(READY_WITHIN_S):
        while not server.started:
            if task.done():
                task.result()
                raise OSError(
                    f"http://{settings.host}:{settings.port} could not be opened: is the port in use?"
                )
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://{settings.host}:{port}"
        async with httpx.AsyncClient(base_url=url) as client:
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.05)
    return url

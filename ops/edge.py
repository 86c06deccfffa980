"""The edge as a process: its parts opened and closed round the Litestar application."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from litestar import Litestar

from app.application import create_app
from app.cache import CachedReads
from app.edge import Edge
from app.metrics import Metrics, Uncounted
from broker.connection import Endpoint
from broker.declare import TopologyDiffers
from broker.publish import Publisher
from ops import parts
from ops.asyncapi import document
from ops.database import open_database
from ops.demo_catalogue import cover
from ops.garbage import keep_what_stands
from ops.logs import configure
from ops.settings import Settings, secret
from ops.telemetry import UNMEASURED, Instruments, instruments

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 15  # what a client has not taken or sent by then is cut off; the edge holds nothing


def make_edge(
    settings: Settings,
    endpoint: Endpoint,
    measured: Instruments = UNMEASURED,
    *,
    embedded: bool,
    console: str | None = None,
) -> Edge:
    """An edge with everything it needs, not yet started; `console` is that of a RabbitMQ that this process started."""
    cached = CachedReads(parts.cache(settings))
    keys = parts.keyring(settings, embedded=embedded)
    publisher = Publisher(
        endpoint, name="edge publishes", timeout_s=settings.confirm_timeout_s, telemetry=measured.telemetry
    )

    return Edge(
        publisher=publisher,
        endpoint=endpoint,
        keyring=keys,
        accounts=parts.accounts(settings, keys, embedded=embedded),
        cache=cached,
        covers=cover,
        console=parts.console(settings, endpoint if isinstance(endpoint, str) else None, console),
        terms=settings.terms,
        asyncapi=document(),
        limit=parts.request_limit(settings),
        telemetry=measured.telemetry,
        metrics=Metrics(measured.series.registry) if measured.series is not None else Uncounted(),
    )


@asynccontextmanager
async def serving(edge: Edge, topology: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[None]:
    """The edge's publisher, connected as soon as the broker is there and has its topology.

    Reads are served meanwhile, and commands refused. A topology that differs is logged and waited for. What nobody else
    mends, an address that is none, stops the process.
    """

    async def connect() -> None:
        if topology is not None:
            await topology()
        await edge.publisher.start()

    edge.cache.start()
    async with parts.background(parts.until_there("broker", connect, also=(TopologyDiffers,))) as connecting:
        connecting.add_done_callback(_stop_where_it_failed)
        try:
            yield
        finally:
            edge.accounts.close()
            await edge.cache.close()
            await edge.publisher.close()


def _stop_where_it_failed(connecting: "asyncio.Future[None]") -> None:
    """An edge that will never publish must not look like one that waits for its broker."""
    if not connecting.cancelled() and (error := connecting.exception()) is not None:
        log.critical("edge.cannot_publish", error=repr(error), exc_info=error)
        signal.raise_signal(signal.SIGTERM)


def create() -> Litestar:
    """The application for an ASGI server: settings from the environment, connections opened by its lifespan."""
    settings = Settings()
    configure(settings.log_level, settings.log_format)
    rabbitmq, mongodb = secret(settings.rabbitmq_url), secret(settings.mongodb_url)
    if rabbitmq is None or mongodb is None:
        raise parts.SettingMissing(
            "an edge needs QUIRE_RABBITMQ_URL and QUIRE_MONGODB_URL; `quire up` needs neither"
        )
    measured = instruments(settings, "quire-edge")
    edge = make_edge(settings, rabbitmq, measured, embedded=False)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(measured.close)
            await stack.enter_async_context(open_database(mongodb, settings.database, app="quire edge"))
            await stack.enter_async_context(serving(edge, lambda: parts.apply_topology(rabbitmq)))
            _leave_on_sigterm(edge)
            keep_what_stands()
            yield

    return create_app(edge, around=[lifespan])


def _leave_on_sigterm(edge: Edge) -> None:
    """Has the edge leave when its server is told to stop.

    Granian 2 ends the lifespan only when every answer is out, event streams included: at its own SIGTERM one reader
    kept it for ever. It stops at SIGINT just as well, and that signal stays its own.
    """

    def leave() -> None:
        edge.leave()
        signal.raise_signal(signal.SIGINT)

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave)


def serve(settings: Settings, application: str = "ops.edge:create") -> None:
    """Becomes Granian, serving until SIGTERM or SIGINT: its supervisor needs none of our modules, 60 MB of them.

    `application` names the factory that its worker calls.
    """
    options = {
        "--interface": "asgi",
        "--host": settings.host,
        "--port": str(settings.port),
        "--loop": "uvloop",
        "--workers": "1",
        "--workers-kill-timeout": str(STOP_WITHIN_S),
    }
    words = [word for option in options.items() for word in option]
    command = [sys.executable, "-m", "granian", *words, "--no-ws", "--factory", application]
    os.execv(sys.executable, command)  # noqa: S606 - every word is ours

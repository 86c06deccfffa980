"""The edge as a process: its parts opened and closed round the Litestar application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

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
from ops.scheduling import interrupt_nobody
from ops.serving import Answering, answering
from ops.settings import SettingMissing, Settings, secret
from ops.tasks import Stopped, first, stop_signal, unless_stopped
from ops.telemetry import UNMEASURED, Instruments, instruments

log = structlog.get_logger(__name__)


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


@dataclass(frozen=True, slots=True)
class Serving:
    """An edge at work: its address, and what ends with it."""

    _server: Answering
    _connecting: asyncio.Future[None]

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._server.url

    async def ended(self) -> None:
        """Returns once its server has ended. Raises what ended it, or what keeps the publisher from ever connecting."""
        await first(self._server.ended(), self._never_publishes())

    async def _never_publishes(self) -> None:
        """An edge that will never publish must not look like one that waits for its broker."""
        try:
            await asyncio.shield(self._connecting)
        except Exception as error:
            log.critical("edge.cannot_publish", error=repr(error))
            raise
        await asyncio.Event().wait()


@asynccontextmanager
async def serving(
    edge: Edge, settings: Settings, topology: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[Serving]:
    """The edge on the settings' address, its publisher connected once the broker is there and has its topology.

    Reads are served meanwhile, and commands refused. A topology that differs is logged and waited for. Raises
    `PortTaken`.
    """

    async def connect() -> None:
        if topology is not None:
            await topology()
        await edge.publisher.start()

    edge.cache.start()
    try:
        async with (
            parts.background(parts.until_there("broker", connect, also=(TopologyDiffers,))) as connecting,
            answering(
                create_app(edge), settings.host, settings.port, lifespan=True, proxies=settings.proxies
            ) as server,
        ):
            try:
                yield Serving(server, connecting)
            finally:
                edge.leave()  # whoever watches an order is told to come again
    finally:
        edge.accounts.close()
        await edge.cache.close()
        await edge.publisher.close()


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises `SettingMissing`, `PortTaken`, or what keeps it from ever serving or publishing.
    """
    rabbitmq, mongodb = secret(settings.rabbitmq_url), secret(settings.mongodb_url)
    if rabbitmq is None or mongodb is None:
        raise SettingMissing(
            "an edge needs QUIRE_RABBITMQ_URL and QUIRE_MONGODB_URL; `quire up` needs neither"
        )
    interrupt_nobody()
    stop = stop_signal()
    measured = instruments(settings, "quire-edge")
    async with AsyncExitStack() as stack:
        stack.enter_context(suppress(Stopped))
        stack.push_async_callback(measured.close)
        await stack.enter_async_context(open_database(mongodb, settings.database, app="quire edge"))
        edge = make_edge(settings, rabbitmq, measured, embedded=False)
        at_work = serving(edge, settings, lambda: parts.apply_topology(rabbitmq))
        served = await stack.enter_async_context(at_work)
        keep_what_stands()
        log.info("edge.serves", url=served.url)
        await unless_stopped(stop, served.ended())

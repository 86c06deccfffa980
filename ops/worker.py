"""`quire worker`: some groups, or all, against a RabbitMQ and a MongoDB that stand elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog

from broker import connection
from broker.runtime import Runtime
from handlers.expiry import EXPIRE_EVERY_S, expiring
from ops import parts
from ops.database import Database, open_database
from ops.garbage import keep_what_stands
from ops.groups import groups
from ops.serving import answering
from ops.settings import SettingMissing, Settings, secret
from ops.tasks import Stopped, stop_signal, unless_stopped
from ops.telemetry import UNMEASURED, Instruments, instruments
from ops.telemetry.endpoint import Endpoint
from ops.telemetry.held import Held
from ops.telemetry.looking import Looking

log = structlog.get_logger(__name__)


@asynccontextmanager
async def working(
    names: tuple[str, ...],
    settings: Settings,
    endpoint: connection.Endpoint,
    database: Database,
    *,
    stop: asyncio.Event,
    name: str = "worker",
    measured: Instruments = UNMEASURED,
) -> AsyncIterator[Runtime]:
    """Groups at work for as long as the block lasts; their stop finishes what was delivered.

    Raises `Stopped` where `stop` comes before the broker.
    """
    mine = groups(names, settings, database)
    runtime = Runtime(endpoint, database, mine, settings.terms, name=name, telemetry=measured.telemetry)
    try:
        await unless_stopped(stop, parts.until_there("broker", runtime.start))
        if measured.series is not None:
            looking = Looking(endpoint, [group.name for group in mine], name=name)
            measured.series.registry.register(Held(runtime, looking))
            runtime.beside(looking.run(), "looking")
        if not names or "orders" in names:
            runtime.also(EXPIRE_EVERY_S, expiring(runtime.publisher), "expiry")
        yield runtime
    finally:
        await runtime.stop()


async def serve(names: tuple[str, ...], settings: Settings) -> None:
    """Works until SIGTERM or SIGINT. Raises `SettingMissing`, or what made a part die."""
    rabbitmq, mongodb = secret(settings.rabbitmq_url), secret(settings.mongodb_url)
    if rabbitmq is None or mongodb is None:
        raise SettingMissing(
            "a worker needs QUIRE_RABBITMQ_URL and QUIRE_MONGODB_URL; `quire up` needs neither"
        )
    stop = stop_signal()
    measured = instruments(settings, "quire-worker")
    async with AsyncExitStack() as stack:
        stack.enter_context(suppress(Stopped))
        stack.push_async_callback(measured.close)
        database = await stack.enter_async_context(
            open_database(mongodb, settings.database, app="quire worker")
        )
        there = parts.until_there("broker", lambda: parts.apply_topology(rabbitmq))
        await unless_stopped(stop, there)
        name = f"worker {' '.join(names) or 'all'}"
        runtime = await stack.enter_async_context(
            working(names, settings, rabbitmq, database, stop=stop, name=name, measured=measured)
        )
        if settings.metrics_port is not None:
            endpoint = answering(
                Endpoint(measured.registry, runtime), settings.metrics_host, settings.metrics_port
            )
            log.info("worker.answers", url=(await stack.enter_async_context(endpoint)).url)
        keep_what_stands()
        log.info("worker.ready", groups=names or "all")
        await unless_stopped(stop, runtime.died())

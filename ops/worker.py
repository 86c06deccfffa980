"""`quire worker`: some groups, or all, against a RabbitMQ and a MongoDB that stand elsewhere."""

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from broker.connection import Endpoint
from broker.runtime import Runtime
from handlers.expiry import EXPIRE_EVERY_S, expiring
from ops import parts
from ops.database import Database, open_database
from ops.settings import Settings, secret

log = structlog.get_logger(__name__)


@asynccontextmanager
async def working(
    names: tuple[str, ...],
    settings: Settings,
    endpoint: Endpoint,
    database: Database,
    *,
    name: str = "worker",
) -> AsyncIterator[Runtime]:
    """Groups at work for as long as the block lasts; their stop finishes what was delivered."""
    runtime = Runtime(endpoint, database, parts.groups(names, settings, database), settings.terms, name=name)
    await parts.until_there("broker", runtime.start)
    try:
        if not names or "orders" in names:
            runtime.also(EXPIRE_EVERY_S, expiring(runtime.publisher), "expiry")
        yield runtime
    finally:
        await runtime.stop()


async def serve(names: tuple[str, ...], settings: Settings) -> None:
    """Works until SIGTERM or SIGINT. Raises `SettingMissing`, or what made a part die."""
    rabbitmq, mongodb = secret(settings.rabbitmq_url), secret(settings.mongodb_url)
    if rabbitmq is None or mongodb is None:
        raise parts.SettingMissing(
            "a worker needs QUIRE_RABBITMQ_URL and QUIRE_MONGODB_URL; `quire up` needs neither"
        )
    stop = stop_signal()
    async with open_database(mongodb, settings.database, app="quire worker") as database:
        await parts.until_there("broker", lambda: parts.apply_topology(rabbitmq))
        async with working(
            names, settings, rabbitmq, database, name=f"worker {' '.join(names) or 'all'}"
        ) as runtime:
            log.info("worker.ready", groups=names or "all")
            await first(stop.wait(), runtime.died())


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def first(*works: Coroutine[Any, Any, object]) -> None:
    """Returns when the first of them is done, and ends the others. Raises what it raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()

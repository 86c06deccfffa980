"""`quire check` and `quire trace`: whether the promises hold, and what became of an order."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from ops.check import SETTLE_S, BrokerAddress
from ops.cli.common import DEFAULT_DATA, Data, console, errors, settings_of
from ops.instance import find
from ops.settings import secret

SELECT_WITHIN_MS = 5_000

Json = Annotated[bool, typer.Option("--json", help="For machines.")]
Management = Annotated[
    str | None,
    typer.Option(
        "--management",
        envvar="QUIRE_MANAGEMENT_URL",
        help="RabbitMQ's management API, to see unacked messages; an instance on this machine names its own.",
        metavar="URL",
    ),
]


@asynccontextmanager
async def _system(
    data: Data, management: str | None
) -> AsyncIterator[tuple[AsyncDatabase[dict[str, Any]], BrokerAddress]]:
    """Database and broker of QUIRE_MONGODB_URL, or of the running instance. Raises `NoInstance`."""
    settings = settings_of(data=data)
    url, name = secret(settings.mongodb_url), settings.database
    broker = BrokerAddress(secret(settings.rabbitmq_url), management)
    if url is None:
        instance = find(settings.data)
        url, name = instance.mongodb_url, instance.database
        broker = BrokerAddress(instance.rabbitmq_url, management or instance.management_url)
    async with AsyncMongoClient[dict[str, Any]](
        url, tz_aware=True, appname="quire check", serverSelectionTimeoutMS=SELECT_WITHIN_MS
    ) as client:
        yield client[name], broker


def check(
    as_json: Json = False,
    settle: Annotated[
        float, typer.Option(help="Seconds that something may be under way before it is stuck.", min=0)
    ] = SETTLE_S,
    management: Management = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Holds every promise against the database, the gateway's books and the broker; exit code 1 where one is broken."""
    from ops.check import Unreadable
    from ops.check import check as run
    from ops.check.findings import Report
    from ops.check.show import show

    async def held() -> Report:
        async with _system(data, management) as (database, broker):
            return await run(database, broker, settle_s=settle)

    try:
        report = asyncio.run(held())
    except (Unreadable, PyMongoError) as error:
        errors.print(f"[bold red]quire:[/] the database cannot be checked: {error}", highlight=False)
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps(report.plain(), indent=2))
    else:
        show(report, console)
    if report.violations:
        raise typer.Exit(1)


def trace(
    order: Annotated[str, typer.Argument(help="The order's id.")],
    as_json: Json = False,
    management: Management = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Every message, attempt, receipt and change of state of an order, in causal order."""
    from ops.trace import NoSuchOrder, Trace, show
    from ops.trace import trace as run

    async def told() -> Trace:
        async with _system(data, management) as (database, broker):
            return await run(database, order, broker)

    try:
        found = asyncio.run(told())
    except (NoSuchOrder, PyMongoError) as error:
        errors.print(f"[bold red]quire:[/] {error}", highlight=False)
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps(found.plain(), indent=2))
    else:
        show(found, console)

"""`quire check` and `quire trace`: whether the promises hold, and what became of an order."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from ops.cli.common import DEFAULT_DATA, Data, console, errors, settings_of
from ops.instance import find
from ops.settings import secret

if TYPE_CHECKING:
    from pymongo.asynchronous.database import AsyncDatabase

    from ops.check import BrokerAddress

SELECT_WITHIN_MS = 5_000
SETTLE_S_MAX = 86_400.0
UNCHECKED = 2  # exit code where there is no report: not 1, which says that a promise is broken

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
) -> "AsyncIterator[tuple[AsyncDatabase[dict[str, Any]], BrokerAddress]]":
    """Database and broker of QUIRE_MONGODB_URL, or of the running instance. Raises `NoInstance`."""
    from pymongo import AsyncMongoClient

    from ops.check import BrokerAddress

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


def _a_number(value: float | None) -> float | None:
    """Raises `typer.BadParameter` for what compares with no limit."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("it must be a number")
    return value


def _complain(what: str, *, as_json: bool) -> None:
    """Says why there is no report: to machines on stdout, where they expect one."""
    errors.print(f"[bold red]quire:[/] {escape(what)}", highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps({"error": what}, indent=2))


def check(
    as_json: Json = False,
    settle: Annotated[
        float | None,
        typer.Option(
            help="Seconds that something may be under way before it is stuck.",
            min=0,
            max=SETTLE_S_MAX,
            show_default="30",
            callback=_a_number,
        ),
    ] = None,
    management: Management = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Holds every promise against the database, the gateway's books and the broker.

    Exit code 0: none was found broken; 1: at least one is; 2: the database could not be checked.
    """
    from pymongo.errors import PyMongoError

    from ops.check import SETTLE_S, Unreadable
    from ops.check import check as run
    from ops.check.findings import Report
    from ops.check.show import show

    async def held() -> Report:
        async with _system(data, management) as (database, broker):
            return await run(database, broker, settle_s=SETTLE_S if settle is None else settle)

    try:
        report = asyncio.run(held())
    except (Unreadable, PyMongoError) as error:
        _complain(f"the database cannot be checked: {error}", as_json=as_json)
        raise typer.Exit(UNCHECKED) from error
    if as_json:
        print(json.dumps(report.plain(), indent=2))
    else:
        show(report, console)
    if report.violations:
        raise typer.Exit(1)


def trace(
    order: Annotated[str, typer.Argument(help="The order's id.")],
    everything: Annotated[
        bool,
        typer.Option("--all", help="Look through all receipts since, for repeats that changed nothing."),
    ] = False,
    as_json: Json = False,
    management: Management = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Every message, attempt, receipt and change of state of an order, in causal order."""
    from pymongo.errors import PyMongoError

    from ops.trace import NoSuchOrder, Trace, show
    from ops.trace import trace as run

    async def told() -> Trace:
        async with _system(data, management) as (database, broker):
            return await run(database, order, broker, everything=everything)

    try:
        found = asyncio.run(told())
    except (NoSuchOrder, PyMongoError) as error:
        _complain(str(error), as_json=as_json)
        raise typer.Exit(1 if isinstance(error, NoSuchOrder) else UNCHECKED) from error
    if as_json:
        print(json.dumps(found.plain(), indent=2))
    else:
        show(found, console)

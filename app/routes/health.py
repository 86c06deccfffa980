"""Outside /v1: how the edge is, what it counts, and where things are."""

import asyncio
from functools import partial
from typing import Any

import msgspec
import pymongo
from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from pymongo.errors import PyMongoError

from app import metrics
from app.edge import Edge, Probe, edge_of
from app.problems import Problem, described
from app.routes.answers import problems
from documents.orders import Order

PROBE_S = 2.0
PUBLIC: dict[str, Any] = {"access": "public", "exclude_from_auth": True}
NO_STORE = {"Cache-Control": "no-store"}


class Live(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "live"


class Part(msgspec.Struct, frozen=True):
    """One part that the edge leans on; `detail` says what is wrong with it."""

    ok: bool
    detail: str | None = None


class Ready(msgspec.Struct, frozen=True):
    """Whether to send requests here. Reads work without the broker: its outage is named, and the edge stays ready."""

    status: str
    parts: dict[str, Part]


class ProblemMeaning(msgspec.Struct, frozen=True):
    """What a problem's `type` leads to."""

    code: str
    title: str
    status: int


@get("/health/live", operation_id="live", opt=PUBLIC, tags=["health"], summary="Whether the process answers")
async def live() -> Response[Live]:
    """For whoever would restart it otherwise."""
    return Response(Live(), headers=NO_STORE)


@get(
    "/health/ready",
    operation_id="ready",
    opt=PUBLIC,
    tags=["health"],
    summary="Whether to send requests here",
    responses=problems(503),
)
async def ready(request: Request[Any, Any, Any]) -> Response[Ready]:
    """Names every part. 503 only where one is away that reads need."""
    edge = edge_of(request)
    asked: dict[str, Probe] = {"broker": partial(_broker, edge), "database": _database}
    asked |= {name: partial(_ask, probe) for name, probe in edge.probes.items()}
    found = await asyncio.gather(*(ask() for ask in asked.values()))
    parts = {name: Part(detail is None, detail) for name, detail in zip(asked, found, strict=True)}
    missing = [name for name in parts if name in edge.needs and not parts[name].ok]
    if missing:
        named = {name: msgspec.to_builtins(part) for name, part in parts.items()}
        raise Problem(
            503, "unavailable", f"Not ready: {', '.join(missing)}", {"Retry-After": "2"}, parts=named
        )
    return Response(Ready("ready", parts), headers=NO_STORE)


async def _ask(probe: Probe) -> str | None:
    try:
        async with asyncio.timeout(PROBE_S):
            return await probe()
    except TimeoutError:
        return f"no answer within {PROBE_S:g} s"


async def _broker(edge: Edge) -> str | None:
    why = edge.publisher.refusing
    if why is not None:
        return f"{why}: commands are answered 503 until it is back"
    return None if edge.listener.ready else "no consuming connection: waiting looks at receipts instead"


async def _database() -> str | None:
    """By the driver's own time limit: cancelled while it selects a server, PyMongo 4.20 can leave its lock locked."""
    try:
        with pymongo.timeout(PROBE_S):
            await Order.get_pymongo_collection().database.command("ping")
    except PyMongoError as error:
        return f"does not answer: {type(error).__name__}"
    return None


@get(
    "/metrics",
    operation_id="metrics",
    opt=PUBLIC,
    tags=["health"],
    summary="What Prometheus scrapes",
    media_type=metrics.CONTENT_TYPE,
    responses={
        200: ResponseSpec(
            str, description="Prometheus' text format", media_type="text/plain", generate_examples=False
        )
    },
)
async def scrape(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Requests, publishes, waiters, watchers."""
    edge = edge_of(request)
    count = edge.metrics
    count.set("quire_edge_waiting", "Requests that wait for an outcome", len(edge.replies))
    count.set("quire_edge_watching", "Clients that watch an order", edge.feeds.watching)
    count.set("quire_edge_publisher_ready", "Whether the publishing connection stands", edge.publisher.ready)
    count.set("quire_edge_listener_ready", "Whether the consuming connection stands", edge.listener.ready)
    return Response(count.exposition(), media_type=metrics.CONTENT_TYPE, headers=NO_STORE)


@get(
    "/asyncapi",
    operation_id="asyncapi",
    opt=PUBLIC,
    tags=["about"],
    summary="The messages on the broker, as an AsyncAPI document",
    responses=problems(404),
)
async def asyncapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Every command and event, where it travels, and its schema."""
    document = edge_of(request).asyncapi
    if document is None:
        raise Problem(404, "not_found", "This edge was started without the AsyncAPI document")
    return dict(document)


@get(
    "/problems/{code:str}",
    operation_id="problem",
    opt=PUBLIC,
    tags=["about"],
    summary="What a problem's type means",
    responses=problems(404),
)
async def problem(code: FromPath[str]) -> ProblemMeaning:
    """One entry of the list in the documentation."""
    found = described(code)
    if found is None:
        raise Problem(404, "not_found", f"No problem has the code {code[:64]}")
    return ProblemMeaning(code, found.title, found.status)

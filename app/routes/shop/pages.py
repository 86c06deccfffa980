"""The shop's pages, for browsers and crawlers: one built page, with a head of its own for each."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.response import Redirect
from pymongo.errors import ConnectionFailure, ExecutionTimeout

from app.edge import edge_of
from app.problems import on_http
from app.reads.catalog import BookList, BookView, CatalogReads, Filters, Subjects
from app.routes.shop.answers import no_page, origin_of, page, wants_page
from app.routes.shop.body import home_body
from app.routes.shop.build import texts
from app.routes.shop.page import NAME, Head, book_head
from documents.catalog import InvalidISBN, isbn13

AnyRequest = Request[Any, Any, Any]
PUBLIC: Final[dict[str, Any]] = {"access": "public", "exclude_from_auth": True}

SHELVES: Final = 6  # as in web/src/api/catalog.ts
SHELF_BOOKS: Final = 8
NOTHING: Final[dict[str, list[Any]]] = {
    name: [] for name in ("subject", "author", "language", "format", "available")
}
PRIVATE: Final = {
    "/cart": "cart.title",
    "/checkout": "checkout.title",
    "/orders/{order:str}": "order.title",
    "/sign-in": "sign.in",
    "/sign-up": "sign.up",
    "/account": "account.title",
    "/account/orders": "account.orders",
    "/account/addresses": "account.addresses",
    "/staff": "staff.title",
    "/staff/orders": "staff.orders",
    "/staff/orders/{order:str}": "orders.order",
    "/staff/stock": "staff.stock",
    "/staff/import": "staff.import",
    "/staff/dead": "staff.dead",
    "/staff/dead/{letter:str}": "dead.letter",
}
"""Pages of one reader, with their titles' keys: none of them is for a search engine."""
TITLES: Final = {path.replace(":str", ""): key for path, key in PRIVATE.items()}
API: Final = ("/v1", "/docs", "/health", "/problems")


class Index(msgspec.Struct, frozen=True):
    """Where things are."""

    name: str
    version: str
    links: dict[str, str]


LINKS: Final = {
    "api": "/v1",
    "books": "/v1/books",
    "docs": "/docs",
    "openapi": "/docs/openapi.json",
    "asyncapi": "/asyncapi",
    "live": "/health/live",
    "ready": "/health/ready",
    "metrics": "/metrics",
}


@get(
    "/",
    operation_id="index",
    opt=PUBLIC,
    tags=["about"],
    summary="Where things are",
    responses={200: ResponseSpec(Index, description="Browsers get the shop", generate_examples=False)},
)
async def home(request: AnyRequest) -> Response[Any]:
    """For programs where things are; for browsers the shop, its first shelves with it."""
    if not wants_page(request):
        return Response(Index(NAME, edge_of(request).version, LINKS), headers={"Vary": "Accept"})
    data, body = await _shelves(request)
    canonical = f"{origin_of(request)}/"
    say = texts()
    head = Head(
        title=say("shop.title"),
        description=say("shop.description"),
        canonical=canonical,
        data=data,
        body=body,
    )
    return page(request, head)


async def _shelves(request: AnyRequest) -> tuple[dict[str, Any], str]:
    """What the page of shelves asks the API for first, and its markup.

    Nothing of both where the database is away: the page says so itself.
    """
    reads = CatalogReads(edge_of(request).cache)
    try:
        body = (await reads.subjects()).body or b""
        subjects = msgspec.json.decode(body, type=Subjects).items[:SHELVES]
        found = [
            (
                await reads.books(Filters(subject=each.value, available=True), "relevance", SHELF_BOOKS, None)
            ).body
            for each in subjects
        ]
    except (ConnectionFailure, ExecutionTimeout):
        return {}, ""
    data: dict[str, Any] = {"/v1/subjects": msgspec.json.decode(body)}
    for subject, shelf in zip(subjects, found, strict=True):
        # A shelf shows no facets, and they are the larger part of the answer.
        books = {**msgspec.json.decode(shelf or b""), "facets": NOTHING}
        data[f"/v1/books?subject={subject.value}&available=true&limit={SHELF_BOOKS}"] = books
    shelves = [msgspec.json.decode(shelf or b"", type=BookList).items for shelf in found]
    return data, home_body(texts(), list(zip(subjects, shelves, strict=True)))


@get("/search", opt=PUBLIC, include_in_schema=False)
async def search(request: AnyRequest) -> Response[Any]:
    """All results share one canonical address: filters make no pages of their own."""
    if not wants_page(request):
        raise no_page(request)
    return page(request, _head("search.title", canonical=f"{origin_of(request)}/search"))


@get("/books/{isbn:str}", opt=PUBLIC, include_in_schema=False)
async def book(request: AnyRequest, isbn: FromPath[str]) -> Response[Any]:
    """A book's page, the same for every form of its ISBN; one that nobody has is a 404 that browsers can show."""
    if not wants_page(request):
        raise no_page(request)
    try:
        key = isbn13(isbn)
    except InvalidISBN:
        return _missing(request)
    if key != isbn:
        return Redirect(f"/books/{key}", status_code=301)
    try:
        body = (await CatalogReads(edge_of(request).cache).book(key)).body
    except (ConnectionFailure, ExecutionTimeout):
        return page(request, _head("page.failed"), status=503)
    if body is None:
        return _missing(request)
    shown = msgspec.json.decode(body, type=BookView)
    return page(request, book_head(texts(), shown, msgspec.json.decode(body), origin_of(request)))


@get(list(PRIVATE), opt=PUBLIC, include_in_schema=False)
async def private(request: AnyRequest) -> Response[Any]:
    """The page says for itself what its reader may see; nothing of that is in it when it leaves."""
    if not wants_page(request):
        raise no_page(request)
    return page(request, _head(TITLES[request.scope["path_template"]]))


def on_unknown_page(request: AnyRequest, error: NotFoundException) -> Response[Any]:
    """A path that nobody knows: browsers get the shop's own page for that, everybody else the problem."""
    path = request.url.path
    below_api = any(path == each or path.startswith(f"{each}/") for each in API)
    return _missing(request) if wants_page(request) and not below_api else on_http(request, error)


def _missing(request: AnyRequest) -> Response[Any]:
    return page(request, _head("page.missing"), status=404)


def _head(title: str, canonical: str | None = None) -> Head:
    """The head of a page whose title has this key."""
    say = texts()
    return Head(
        title=say("shop.titleOf", title=say(title)), description=say("shop.description"), canonical=canonical
    )

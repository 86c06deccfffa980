"""The catalogue over HTTP: everybody reads it, the staff changes it by commands."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import anyio.to_thread
import msgspec
from litestar import Controller, Request, Response, get, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, JSONBody, PathParameter, QueryParameter

from app.cache import Entry, book_tag
from app.commands import accept
from app.edge import Edge, edge_of
from app.etags import matches
from app.feeds import BadRow, BookRecord, Defaults, to_command
from app.operations import OperationView
from app.problems import CODES, Code, Problem, invalid
from app.reads.catalog import BadCursor, BookList, BookView, CatalogReads, Filters, Subjects, Suggestions
from app.reads.money import Money
from app.reads.resources import READERS
from app.routes.answers import command, problems
from app.routes.imports import Imports
from app.routes.inputs import isbn_of
from app.routes.stock import Stock, known_isbn, no_book
from app.security.guards import require_staff
from app.security.principal import somebody
from documents.catalog import UnknownLanguage

CODES["bad_cursor"] = Code(400, "The cursor does not fit the list")

AnyRequest = Request[Any, Any, Any]
Cover = Callable[[str, str, int, str, str], str]
"""Draws a cover as SVG from title, author, year (0: unknown), Thema code of the first subject, and ISBN-13."""

# A shared cache may keep these, but asks each time: a price that changed is seen at once, and a 304 costs little.
REVALIDATED = "public, no-cache"
SHORT = "public, max-age=60"
LONG = "public, max-age=86400"
COVER_TTL_S = 3600.0
COUNT_MAX = 2**31 - 1

PUBLIC: dict[str, Any] = {"access": "public", "exclude_from_auth": True}
STAFF: dict[str, Any] = {"access": "staff", "exclude_from_auth": False}

Sort = Literal["relevance", "title", "-title", "price", "-price", "year", "-year", "newest", "popularity"]
Text = str | None


def _text(name: str, description: str) -> Any:
    return QueryParameter(name=name, max_length=200, description=description)


Query = Annotated[
    Text, _text("q", "Words of title, people, subjects or publisher, the last one perhaps begun; or an ISBN")
]
SubjectIs = Annotated[Text, _text("subject", "A subject's code or name")]
AuthorIs = Annotated[Text, _text("author", "An author's name, or words of it")]
LanguageIs = Annotated[Text, _text("language", "ISO 639: eng, en or en-US")]
FormatIs = Annotated[Text, _text("format", "Such as paperback")]
PriceMin = Annotated[
    int | None, QueryParameter(name="price_min", ge=0, le=COUNT_MAX, description="Minor units")
]
PriceMax = Annotated[
    int | None, QueryParameter(name="price_max", ge=0, le=COUNT_MAX, description="Minor units")
]
Available = Annotated[
    bool | None, QueryParameter(name="available", description="Whether copies can be bought now")
]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=100, description="Titles of a page")]
After = Annotated[
    str | None, QueryParameter(name="cursor", max_length=4096, description="next_cursor of the page before")
]
IsbnPath = Annotated[str, PathParameter(max_length=60, description="ISBN-13 or ISBN-10, hyphens anywhere")]


class BookInput(BookRecord, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that is said of a title. A field that nobody knows is an error, unlike one in a feed."""


class ShippingMethodView(msgspec.Struct, frozen=True):
    """A way to send an order; the price includes VAT, days are working days."""

    id: str
    name: str
    price: Money
    days_min: int
    days_max: int


class ShippingMethods(msgspec.Struct, frozen=True):
    """All of them."""

    items: list[ShippingMethodView]


def _shows(shape: Any, description: str, *statuses: int) -> dict[int, ResponseSpec]:
    return {200: ResponseSpec(shape, description=description, generate_examples=False), **problems(*statuses)}


class Books(Controller):
    """Titles, by ISBN-13; any other form of their ISBN is as good."""

    path = "/books"
    tags = ("books",)
    opt = PUBLIC

    @get(
        "/",
        operation_id="listBooks",
        summary="List and search",
        responses=_shows(BookList, "A page", 400, 422),
    )
    async def search(
        self,
        request: AnyRequest,
        *,
        q: Query = None,
        subject: SubjectIs = None,
        author: AuthorIs = None,
        language: LanguageIs = None,
        format: FormatIs = None,  # noqa: A002
        price_min: PriceMin = None,
        price_max: PriceMax = None,
        available: Available = None,
        sort: FromQuery[Sort] = "relevance",
        limit: Limit = 20,
        cursor: After = None,
    ) -> Response[bytes]:
        """Several words of `q` must all be there. `total` is exact; follow `next_cursor` with the same filters.

        Sorted by relevance unless asked otherwise, which without `q` means by popularity.
        """
        filters = Filters(
            q=_given(q),
            subject=_given(subject),
            author=_given(author),
            language=_given(language),
            format=_given(format),
            price_min=price_min,
            price_max=price_max,
            available=available,
        )
        try:
            entry = await _reads(request).books(filters, sort, limit, cursor or None)
        except BadCursor as error:
            raise Problem(400, "bad_cursor", str(error)) from error
        return answer(request, entry, REVALIDATED)

    @get(
        "/suggest",
        operation_id="suggestBooks",
        summary="Complete what is typed",
        responses=_shows(Suggestions, "", 422),
    )
    async def suggest(
        self, request: AnyRequest, q: Annotated[str, _text("q", "The beginning of words")]
    ) -> Response[bytes]:
        """Titles and authors; case and accents do not matter."""
        return answer(request, await _reads(request).suggest(q), SHORT)

    @get("/{isbn:str}", operation_id="getBook", summary="Read a title", responses=_shows(BookView, "", 404))
    async def read(self, request: AnyRequest, isbn: IsbnPath) -> Response[bytes]:
        """Price and availability as they now are."""
        entry = await _reads(request).book(known_isbn(isbn))
        return answer(request, _found(entry, isbn), REVALIDATED)

    @get(
        "/{isbn:str}/cover.svg",
        operation_id="getCover",
        media_type="image/svg+xml",
        summary="A title's cover",
        responses=problems(404),
    )
    async def cover(self, request: AnyRequest, isbn: IsbnPath) -> Response[bytes]:
        """Drawn from what is known of the title."""
        entry = await _cover(request, known_isbn(isbn))
        return answer(request, _found(entry, isbn), LONG, "image/svg+xml")

    @put(
        "/{isbn:str}",
        operation_id="putBook",
        status_code=202,
        guards=[require_staff],
        opt=STAFF,
        summary="Make a title's record say this",
        responses=command(BookView, 403),
    )
    async def write(
        self, request: AnyRequest, isbn: IsbnPath, data: JSONBody[BookInput]
    ) -> Response[OperationView[BookView]]:
        """A title that is new is added. `stock` counts the copies of one that was never counted."""
        key = isbn_of(isbn)
        try:
            message = to_command(key, data, Defaults(edge_of(request).terms.currency))
        except UnknownLanguage as error:
            raise invalid(language=str(error)) from error
        except BadRow as error:
            raise invalid(title=str(error)) from error
        response = await accept(request, message, sender=somebody(request).sender, resource=f"books/{key}")
        await edge_of(request).cache.drop(key)
        return response


@get("/subjects", operation_id="listSubjects", tags=["books"], opt=PUBLIC, responses=_shows(Subjects, ""))
async def subjects(request: AnyRequest) -> Response[bytes]:
    """Every subject with the number of its titles, most titles first."""
    return answer(request, await _reads(request).subjects(), SHORT)


@get(
    "/shipping-methods",
    operation_id="listShippingMethods",
    tags=["books"],
    opt=PUBLIC,
    responses=_shows(ShippingMethods, ""),
)
async def shipping_methods(request: AnyRequest) -> Response[bytes]:
    """How an order can travel, and what that costs."""
    terms = edge_of(request).terms
    items = [
        ShippingMethodView(
            each.id, each.name, Money(each.price, terms.currency), each.days_min, each.days_max
        )
        for each in terms.shipping_methods
    ]
    return answer(request, Entry.of(msgspec.json.encode(ShippingMethods(items))), SHORT)


def answer(
    request: AnyRequest, entry: Entry, cache_control: str, media_type: str = "application/json"
) -> Response[bytes]:
    """An entry's bytes with their validator, or 304 where the client has them (RFC 9110, 13.1.2).

    Kept for those who ask the same next: see `app.finished`.
    """
    headers = {"ETag": entry.etag, "Cache-Control": cache_control}
    if media_type.startswith("image/svg"):
        # A cover opened by itself is a document: it may style itself and nothing else.
        headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    if edge_of(request).limit is None:
        edge_of(request).finished.keep(request, entry, headers, media_type)
    if matches(request.headers.getall("if-none-match", []), entry.etag):
        unchanged: Response[Any] = Response(b"", status_code=304, headers=headers)
        return unchanged
    return Response(entry.body or b"", headers=headers, media_type=media_type)


async def _cover(request: AnyRequest, isbn: str) -> Entry:
    draw: Cover | None = edge_of(request).covers
    reads = _reads(request)

    async def load() -> bytes | None:
        entry = await reads.book(isbn)
        if entry.body is None or draw is None:
            return None
        book = msgspec.json.decode(entry.body, type=BookView)
        authors = [each.name for each in book.contributors if each.role == "author"]
        codes = [each.code for each in book.subjects if each.code]
        drawn = await anyio.to_thread.run_sync(
            draw, book.title, " & ".join(authors), book.year or 0, codes[0] if codes else "", isbn
        )
        return drawn.encode()

    return await reads.cache.read(f"cover:{isbn}", book_tag(isbn), load, COVER_TTL_S)


def _reads(request: AnyRequest) -> CatalogReads:
    return CatalogReads(edge_of(request).cache)


def _given(text: str | None) -> str | None:
    """A filter that was left empty is none: forms send empty fields."""
    return text.strip() or None if text else None


def _found(entry: Entry, isbn: str) -> Entry:
    if entry.body is None:
        raise no_book(isbn)
    return entry


async def _book_now(edge: Edge, isbn: str, _: str) -> BookView | None:
    await edge.cache.drop(isbn)
    entry = await CatalogReads(edge.cache).book(isbn)
    return msgspec.json.decode(entry.body, type=BookView) if entry.body else None


READERS["books"] = _book_now

ROUTES: tuple[Any, ...] = (Books, Stock, subjects, shipping_methods, Imports)
"""Everything of this file's subject, to be mounted under /v1."""

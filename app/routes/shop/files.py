"""The files of the shop's build, and what crawlers look for: robots.txt and the sitemap."""

from typing import Any, Final
from xml.sax.saxutils import escape

from litestar import Request, Response, get
from litestar.params import FromPath

from app.cache import LISTS
from app.edge import edge_of
from app.problems import Problem
from app.routes.shop.answers import FOREVER, REVALIDATED, file_answer, origin_of
from app.routes.shop.build import built
from documents.catalog import Book

AnyRequest = Request[Any, Any, Any]
PUBLIC: Final[dict[str, Any]] = {"access": "public", "exclude_from_auth": True}
URLS_MAX: Final = 20_000  # of one sitemap; the protocol allows 50,000 and 50 MB
KEPT_S: Final = 3600.0
NAMESPACE: Final = "http://www.sitemaps.org/schemas/sitemap/0.9"
HOUR: Final = {"Cache-Control": "public, max-age=3600"}
CLOSED: Final = (
    "/account",
    "/cart",
    "/checkout",
    "/orders",
    "/sign-in",
    "/sign-up",
    "/staff",
    "/v1/carts",
    "/v1/orders",
)


@get("/assets/{name:str}", opt=PUBLIC, include_in_schema=False)
async def asset(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A script, style or font: its name changes with its content, so it may be kept for ever."""
    return _file(request, f"assets/{name}", FOREVER)


@get("/favicon.svg", opt=PUBLIC, include_in_schema=False)
async def icon(request: AnyRequest) -> Response[bytes]:
    """The shop's mark."""
    return _file(request, "favicon.svg", REVALIDATED)


def _file(request: AnyRequest, path: str, cache_control: str) -> Response[bytes]:
    build = built()
    file = build.files.get(path) if build is not None else None
    if file is None:
        raise Problem(404, "not_found", f"The shop has no file {path[:120]}")
    return file_answer(request, file, cache_control)


@get("/robots.txt", opt=PUBLIC, include_in_schema=False)
async def robots(request: AnyRequest) -> Response[bytes]:
    """Everybody may read the catalogue; pages of one reader are of no use to a crawler."""
    lines = [
        "User-agent: *",
        *(f"Disallow: {path}" for path in CLOSED),
        f"Sitemap: {origin_of(request)}/sitemap.xml",
    ]
    return Response("\n".join([*lines, ""]).encode(), headers=HOUR, media_type="text/plain")


@get("/sitemap.xml", opt=PUBLIC, include_in_schema=False)
async def sitemap_index(request: AnyRequest) -> Response[bytes]:
    """Names the sitemaps: one of them holds at most 20,000 books (https://www.sitemaps.org/protocol.html)."""
    books = await Book.get_pymongo_collection().estimated_document_count()
    origin = origin_of(request)
    places = (f"{origin}/sitemaps/{number}.xml" for number in range(1, max(1, -(-books // URLS_MAX)) + 1))
    entries = "".join(f"<sitemap><loc>{escape(place)}</loc></sitemap>\n" for place in places)
    return _xml(f'<sitemapindex xmlns="{NAMESPACE}">\n{entries}</sitemapindex>\n')


@get("/sitemaps/{name:str}", opt=PUBLIC, include_in_schema=False)
async def sitemap(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """One part of the books, by ISBN; the first one also names the pages that are no books."""
    number = name.removesuffix(".xml")
    if not (
        name.endswith(".xml") and number.isascii() and number.isdecimal() and 0 < int(number[:6]) <= 10_000
    ):
        raise Problem(404, "not_found", f"There is no sitemap {name[:60]}")
    part = int(number)
    entry = await edge_of(request).cache.read(f"sitemap:{part}", LISTS, lambda: _isbns(part), KEPT_S)
    if entry.body is None:
        raise Problem(404, "not_found", f"There is no sitemap {name[:60]}")
    origin = origin_of(request)
    paths = (["/", "/search"] if part == 1 else []) + [
        f"/books/{isbn}" for isbn in entry.body.decode().split()
    ]
    entries = "".join(f"<url><loc>{escape(origin + path)}</loc></url>\n" for path in paths)
    return _xml(f'<urlset xmlns="{NAMESPACE}">\n{entries}</urlset>\n')


async def _isbns(part: int) -> bytes | None:
    """The ISBNs of a part, a space between them; None behind the last part."""
    found = (
        Book.get_pymongo_collection()
        .find({}, {"_id": 1})
        .sort("_id", 1)
        .skip((part - 1) * URLS_MAX)
        .limit(URLS_MAX)
    )
    isbns = [str(raw["_id"]) async for raw in found]
    return " ".join(isbns).encode() if isbns or part == 1 else None


def _xml(body: str) -> Response[bytes]:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'
    return Response(text.encode(), headers=HOUR, media_type="application/xml")

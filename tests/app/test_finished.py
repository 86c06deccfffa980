"""Finished answers: from memory comes what its route would give, counted alike, and never what has changed."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient, Response

from app.application import Edge
from app.cache import LISTS, book_tag
from app.finished import OVERHEAD_BYTES, Finished, FinishedAnswers
from app.security.throttle import RequestLimit
from broker.embedded.server import EmbeddedServer
from broker.messages import BookChanged
from broker.publish import Publisher
from documents.catalog import Book
from tests.app.conftest import Database
from tests.app.edges import make_edge, serving
from tests.app.shelves import book, isbn, shelve

BOOK = f"/v1/books/{isbn(1)}"
PATHS = (
    BOOK,
    f"{BOOK}?other=1",
    f"{BOOK}/cover.svg",
    "/v1/books",
    "/v1/books?limit=1&sort=title",
    "/v1/books/suggest?q=em",
    "/v1/subjects",
)
MEMORY, ROUTE = "memory", "route"


def said(response: Response) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Everything of an answer but what is different each time."""
    headers = [header for header in response.headers.raw if header[0] != b"x-correlation-id"]
    return response.status_code, response.content, sorted(headers)


class Watched(FinishedAnswers):
    """Notes where each answer came from."""

    def __init__(self, edge: Edge) -> None:
        super().__init__(edge.cache)
        self.came_from: list[str] = []

    def clear(self) -> None:
        """As after a start."""
        for key in tuple(self._kept):
            self._forget(key)

    def find(self, scope: Any) -> Finished | None:
        """See the base class."""
        found = super().find(scope)
        self.came_from.append(ROUTE if found is None else MEMORY)
        return found


@pytest.fixture
def watched(edge: Edge) -> Watched:
    """The edge's finished answers, observed; Emma is on the shelf, with a cover."""
    edge.covers = lambda title, *_: f"<svg>{title}</svg>"
    edge.finished = watched = Watched(edge)
    return watched


@pytest.fixture
async def shelved(database: Database) -> None:
    """One title."""
    await shelve(book(1, "Emma", "Jane Austen"), available=[isbn(1)])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", PATHS)
async def test_same_answer(
    watched: Watched, shelved: None, client: AsyncClient, path: str, method: str
) -> None:
    """Status, headers and body are the route's own, to the byte, whatever the request carries."""
    etag = (await client.get(path)).headers["etag"]
    for headers, status in (
        ({}, 200),
        ({"If-None-Match": f'"x", {etag}'}, 304),
        ({"If-None-Match": f"W/{etag}"}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"Authorization": "Bearer of nothing", "Cookie": "a=b"}, 200),
        ({"Range": "bytes=0-3", "Accept": "text/plain", "Accept-Encoding": "br"}, 200),
        ({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}, 200),
    ):
        watched.clear()
        first = await client.request(method, path, headers=headers)
        again = await client.request(method, path, headers=headers)
        assert watched.came_from[-2:] == [ROUTE, MEMORY]
        assert first.status_code == status
        assert said(again) == said(first)


async def test_named(watched: Watched, shelved: None, client: AsyncClient) -> None:
    """Each has a correlation id of its own, or the sender's."""
    await client.get(BOOK)
    one, two = await client.get(BOOK), await client.get(BOOK)
    theirs = await client.get(BOOK, headers={"X-Correlation-ID": "shop-42"})
    unfit = await client.get(BOOK, headers={"X-Correlation-ID": "a b"})
    assert watched.came_from[1:] == [MEMORY] * 4
    assert one.headers["x-correlation-id"] != two.headers["x-correlation-id"]
    assert theirs.headers["x-correlation-id"] == "shop-42"
    assert len(unfit.headers["x-correlation-id"]) == 36


async def test_counted(watched: Watched, shelved: None, client: AsyncClient, edge: Edge) -> None:
    """Metrics name them by their route, and the cache counts them as its hits."""
    for _ in range(3):
        await client.get(BOOK)
        await client.head("/v1/books")
        await client.get("/v1/books", headers={"If-None-Match": "*"})
    metrics = edge.metrics.exposition().decode()
    assert watched.came_from.count(MEMORY) == 7
    for series in (
        'quire_http_requests_total{method="GET",route="/v1/books/{isbn}",status="200"} 3.0',
        'quire_http_requests_total{method="HEAD",route="/v1/books",status="200"} 3.0',
        'quire_http_requests_total{method="GET",route="/v1/books",status="304"} 3.0',
        'quire_http_request_duration_seconds_count{method="GET",route="/v1/books/{isbn}"} 3.0',
        'quire_cache_requests_total{kind="books",result="hit"} 2.0',
        'quire_cache_requests_total{kind="lists",result="hit"} 5.0',
    ):
        assert series in metrics


async def test_dropped(watched: Watched, shelved: None, client: AsyncClient, edge: Edge) -> None:
    """A title that changed is read again, and every list; another title stays."""
    await shelve(book(2, "Persuasion", "Jane Austen"))
    for _ in range(2):
        for path in (BOOK, f"/v1/books/{isbn(2)}", "/v1/books"):
            await client.get(path)
    await Book.get_pymongo_collection().update_one({"_id": isbn(1)}, {"$set": {"title": "Emma!"}})
    assert (await client.get(BOOK)).json()["title"] == "Emma"
    await edge.cache.on_book_changed(BookChanged(isbn=isbn(1)))
    del watched.came_from[:]
    assert (await client.get(BOOK)).json()["title"] == "Emma!"
    assert "Emma!" in (await client.get("/v1/books")).text
    await client.get(f"/v1/books/{isbn(2)}")
    assert watched.came_from == [ROUTE, ROUTE, MEMORY]


async def test_read_before_and_kept_after(
    watched: Watched, shelved: None, client: AsyncClient, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that was read before a change and given after it is given to nobody else."""
    read, go = asyncio.Event(), asyncio.Event()
    get = edge.cache._cache.get

    async def slow(key: str, tag: str) -> object:
        found = await get(key, tag)
        read.set()
        await go.wait()
        return found

    await client.get(BOOK)  # in the cache now
    watched.clear()
    monkeypatch.setattr(edge.cache._cache, "get", slow)
    asking = asyncio.create_task(client.get(BOOK))
    await read.wait()
    await edge.cache.drop(isbn(1))
    go.set()
    assert (await asking).status_code == 200
    assert not edge.cache.take(watched._kept[(BOOK, b"")].mark)
    await client.get(BOOK)
    assert watched.came_from[-1] == ROUTE


async def test_not_kept(watched: Watched, shelved: None, client: AsyncClient) -> None:
    """Neither what is not there, nor what is wrong, nor other methods of a path that is kept."""
    for path in (f"/v1/books/{isbn(9)}", "/v1/books?limit=0", "/v1/shipping-methods", "/health/live"):
        await client.get(path)
        await client.get(path)
    await client.get(BOOK)
    assert (await client.put(BOOK, json={})).status_code == 401
    assert (await client.options(BOOK)).headers["allow"] == "GET, HEAD, OPTIONS, PUT"
    assert (await client.delete(BOOK)).status_code == 405
    assert MEMORY not in watched.came_from


async def test_bounded(watched: Watched, shelved: None, client: AsyncClient) -> None:
    """Memory is bounded in bytes, however many queries somebody makes up; what was asked for last stays."""
    size = len((await client.get(BOOK)).content) + OVERHEAD_BYTES
    watched._bytes_max = 5 * size
    for number in range(12):
        await client.get(f"{BOOK}?made-up={number}")
    assert watched.bytes == 5 * size == sum(each.size for each in watched._kept.values())
    assert (await client.get(f"{BOOK}?made-up=11")).status_code == 200
    await client.get(f"{BOOK}?made-up=0")
    assert watched.came_from[-2:] == [MEMORY, ROUTE]


async def test_limited(
    database: Database, shelved: None, broker: EmbeddedServer, publisher: Publisher
) -> None:
    """Where requests are limited each one is counted: nothing is answered before that."""
    edge = make_edge(broker, publisher, limit=RequestLimit(3))
    async with serving(edge, listening=False) as client:
        answers = [await client.get(BOOK) for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["ratelimit-remaining"] for each in answers] == ["2", "1", "0", "0"]
    assert not edge.finished.bytes


async def test_tags(watched: Watched, shelved: None, client: AsyncClient) -> None:
    """A book and its cover are dropped with the book, everything else with the lists."""
    for path in PATHS:
        await client.get(path)
    tags = {path: kept.mark.tag for (path, _), kept in watched._kept.items()}
    assert tags == {
        BOOK: book_tag(isbn(1)),
        f"{BOOK}/cover.svg": book_tag(isbn(1)),
        "/v1/books": LISTS,
        "/v1/books/suggest": LISTS,
        "/v1/subjects": LISTS,
    }

"""Titles over HTTP: reading, validators, covers, and the staff's commands on a real worker."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient
from pymongo.asynchronous.database import AsyncDatabase

from app.edge import Edge
from broker.embedded.server import EmbeddedServer
from documents.stock import Stock
from tests.app.edges import STAFF, problem, sign_in
from tests.app.shelves import book, isbn, shelve, working

WAIT = STAFF | {"Prefer": "wait=10"}
RECORD: dict[str, Any] = {
    "title": "Emma",
    "contributors": [{"name": "Jane Austen"}, {"name": "A. Reader", "role": "Narrator"}],
    "subjects": [{"code": "FBC", "name": "Classic fiction"}],
    "year": 1815,
    "language": "en-GB",
    "format": "Paperback",
    "price": {"amount": 999, "currency": "EUR"},
    "stock": 2,
}


@pytest.fixture
async def worker(broker: EmbeddedServer, database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[None]:
    """A worker of the catalogue, beside the edge."""
    async with working(broker, database):
        yield


async def test_read(client: AsyncClient) -> None:
    """A title reads the same by every form of its ISBN; what is no ISBN or not there is 404."""
    await shelve(book(1, "Emma", "Jane Austen"), available=[isbn(1)])
    dashed = f"{isbn(1)[:3]}-{isbn(1)[3:5]}-{isbn(1)[5:]}"
    body = (await client.get(f"/v1/books/{dashed}")).json()
    assert body == (await client.get(f"/v1/books/{isbn(1)}")).json()
    assert body == {
        "isbn": isbn(1), "title": "Emma", "subtitle": None, "contributors": [{"name": "Jane Austen", "role": "author"}],
        "year": None, "subjects": [], "language": None, "format": None, "pages": None, "publisher": None,
        "description": None, "price": {"amount": 1000, "currency": "EUR"}, "for_sale": True, "available": True,
        "cover_url": f"/v1/books/{isbn(1)}/cover.svg",
    }  # fmt: skip
    problem(await client.get(f"/v1/books/{isbn(2)}"), 404, "book_unknown")
    problem(await client.get("/v1/books/123"), 404, "book_unknown")


async def test_validators(client: AsyncClient, edge: Edge) -> None:
    """An answer that its reader has is a 304; once the title changed it is a 200 with another ETag."""
    await shelve(book(1, "Emma"))
    for path in (
        f"/v1/books/{isbn(1)}",
        "/v1/books",
        "/v1/subjects",
        "/v1/shipping-methods",
        "/v1/books/suggest?q=e",
    ):
        first = await client.get(path)
        assert first.headers["cache-control"]
        again = await client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    etag = (await client.get(f"/v1/books/{isbn(1)}")).headers["etag"]
    await (
        Stock.get_pymongo_collection()
        .database["books"]
        .update_one({"_id": isbn(1)}, {"$set": {"available": True}})
    )
    await edge.cache.drop(isbn(1))
    changed = await client.get(f"/v1/books/{isbn(1)}", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


async def test_cover(client: AsyncClient, edge: Edge) -> None:
    """A cover is drawn by whoever was handed in, once, from what is known of the title."""
    drawn: list[tuple[str, str, int, str, str]] = []

    def draw(title: str, author: str, year: int, subject: str, key: str) -> str:
        drawn.append((title, author, year, subject, key))
        return "<svg/>"

    edge.covers = draw
    await shelve(book(1, "Emma", "Jane Austen", "B. Else", year=1815, subjects=[("FBC", "Classics")]))
    answers = [await client.get(f"/v1/books/{isbn(1)}/cover.svg") for _ in range(2)]
    for answer in answers:
        assert (answer.text, answer.headers["content-type"]) == ("<svg/>", "image/svg+xml")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert drawn == [("Emma", "Jane Austen & B. Else", 1815, "FBC", isbn(1))]
    problem(await client.get(f"/v1/books/{isbn(2)}/cover.svg"), 404, "book_unknown")


async def test_shipping_methods(client: AsyncClient) -> None:
    """The ways to send an order, and what they cost."""
    items = (await client.get("/v1/shipping-methods")).json()["items"]
    assert [(each["id"], each["price"]) for each in items] == [
        ("standard", {"amount": 390, "currency": "EUR"}), ("express", {"amount": 890, "currency": "EUR"}),
    ]  # fmt: skip


async def test_put_book(client: AsyncClient, worker: None) -> None:
    """A title that nobody found before is there once its put is done, in lists too; a second put changes it."""
    problem(await client.get(f"/v1/books/{isbn(1)}"), 404, "book_unknown")
    assert (await client.get("/v1/books")).json()["total"] == 0
    done = await client.put(f"/v1/books/{isbn(1)}", json=RECORD, headers=WAIT)
    assert done.status_code == 200, done.text
    result = done.json()["result"]
    assert (result["language"], result["format"], result["available"]) == ("eng", "paperback", True)
    assert (await client.get(f"/v1/books/{isbn(1)}")).json() == result
    assert (await client.get("/v1/books")).json()["total"] == 1
    changed = await client.put(f"/v1/books/{isbn(1)}", json=RECORD | {"title": "Emma!"}, headers=WAIT)
    assert changed.json()["result"]["title"] == "Emma!"
    assert (await client.get(f"/v1/books/{isbn(1)}")).json()["title"] == "Emma!"


async def test_stock(client: AsyncClient, worker: None) -> None:
    """Copies are counted by command; below what is reserved that is 409, of an unknown title 404."""
    path = f"/v1/books/{isbn(1)}/stock"
    problem(await client.get(path, headers=STAFF), 404, "book_unknown")
    problem(await client.put(path, json={"on_hand": 1}, headers=WAIT), 404, "book_unknown")
    await client.put(f"/v1/books/{isbn(1)}", json=RECORD, headers=WAIT)
    done = await client.put(path, json={"on_hand": 9}, headers=WAIT)
    assert done.json()["result"] == {"isbn": isbn(1), "on_hand": 9, "reserved": 0, "available": 9}
    change = {"$set": {"reserved": 5, "available": 4}, "$inc": {"rev": 1}}
    await Stock.get_pymongo_collection().update_one({"_id": isbn(1)}, change)
    said = problem(await client.put(path, json={"on_hand": 4}, headers=WAIT), 409, "stock_reserved")
    assert (said["reserved"], said["on_hand"]) == (5, 4)
    assert (await client.get(path, headers=STAFF)).json() == {
        "isbn": isbn(1),
        "on_hand": 9,
        "reserved": 5,
        "available": 4,
    }
    accepted = await client.put(path, json={"on_hand": 6}, headers=STAFF)
    assert accepted.status_code == 202


async def test_sold_out(client: AsyncClient, worker: None, edge: Edge) -> None:
    """`available` follows the stock across zero, in both directions."""
    edge.feeds._on_book_changed = edge.cache.on_book_changed
    path = f"/v1/books/{isbn(1)}"
    await client.put(path, json=RECORD, headers=WAIT)
    for on_hand in (0, 3):
        await client.put(f"{path}/stock", json={"on_hand": on_hand}, headers=WAIT)
        assert (await client.get(path)).json()["available"] is bool(on_hand)


@pytest.mark.parametrize(
    "change",
    [
        {"title": ""}, {"title": "   "}, {"title": None}, {"year": "x"}, {"price": {"amount": -1, "currency": "EUR"}},
        {"price": {"amount": 1, "currency": "euro"}}, {"price": {"amount": 1.5, "currency": "EUR"}}, {"stock": -1},
        {"language": "Klingon"}, {"contributors": [{"name": ""}]}, {"pages": -1}, {"prize": "Booker"},
    ],
)  # fmt: skip
async def test_bad_record(client: AsyncClient, change: dict[str, Any]) -> None:
    """A record that can never be is 422 before anything is sent."""
    problem(
        await client.put(f"/v1/books/{isbn(1)}", json=RECORD | change, headers=STAFF), 422, "invalid_input"
    )


async def test_bad_isbn(client: AsyncClient) -> None:
    """A put to what is no ISBN is 422 `bad_isbn`."""
    problem(await client.put("/v1/books/9780439023482", json=RECORD, headers=STAFF), 422, "bad_isbn")
    problem(await client.put("/v1/books/123/stock", json={"on_hand": 1}, headers=STAFF), 422, "bad_isbn")


async def test_rights(client: AsyncClient) -> None:
    """Everybody reads, also with a token that is no good any more; only the staff writes and sees stock."""
    shopper = await sign_in(client)
    path = f"/v1/books/{isbn(1)}"
    for headers, status, code in (({}, 401, "unauthorized"), (shopper, 403, "forbidden")):
        problem(await client.put(path, json=RECORD, headers=headers), status, code)
        problem(await client.put(f"{path}/stock", json={"on_hand": 1}, headers=headers), status, code)
        problem(await client.get(f"{path}/stock", headers=headers), status, code)
    assert (await client.get("/v1/books", headers={"Authorization": "Bearer old"})).status_code == 200

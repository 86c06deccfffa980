"""Files of titles over HTTP, on a real worker."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient
from pymongo.asynchronous.database import AsyncDatabase

from app.edge import Edge
from broker.embedded.server import EmbeddedServer
from documents.catalog import Book, Import
from documents.operations import Receipt
from documents.stock import Movement, Stock
from tests.app.edges import STAFF, WITHIN_S, problem, sign_in
from tests.app.shelves import goodbooks_path, isbn, working

Database = AsyncDatabase[dict[str, Any]]

FEED = f"""isbn,title,authors,year,price,stock
{isbn(1)},Emma,Jane Austen,1815,9.99,3
{isbn(2)},Persuasion,Jane Austen,1817,,
978-0-00-000000-0,Wrong,Nobody,1900,1.00,1
{isbn(1)},Emma again,Jane Austen,1815,9.99,3
""".encode()


@pytest.fixture
async def worker(broker: EmbeddedServer, database: Database) -> AsyncIterator[None]:
    """A worker of the catalogue, beside the edge."""
    async with working(broker, database):
        yield


async def send(client: AsyncClient, body: bytes, key: str | None = None, **params: Any) -> Any:
    """Posts a file."""
    headers = STAFF | ({"Idempotency-Key": key} if key else {})
    return await client.post(
        "/v1/imports", content=body, params={"filename": "a.csv"} | params, headers=headers
    )


async def finished(client: AsyncClient, where: str, within_s: float = WITHIN_S) -> dict[str, Any]:
    """The import once it is through."""
    async with asyncio.timeout(within_s):
        while True:
            answer = await client.get(where, headers=STAFF)
            body: dict[str, Any] = answer.json()
            if body["status"] == "finished":
                return body
            await asyncio.sleep(0.05)


async def test_imported(client: AsyncClient, worker: None) -> None:
    """Every row is a title afterwards or named with its line and reason; defaults fill what rows leave out."""
    answer = await send(client, FEED, price="12.50", stock=7)
    assert answer.status_code == 202
    where = answer.headers["location"]
    assert where == f"/v1/imports/{answer.json()['id']}"
    body = await finished(client, where)
    assert {name: body[name] for name in ("rows", "done", "added", "changed", "unchanged", "rejected", "failed")} == {
        "rows": 2, "done": 2, "added": 2, "changed": 0, "unchanged": 0, "rejected": 0, "failed": 0,
    }  # fmt: skip
    assert body["skipped_count"] == 2
    assert [(each["line"], each["reason"].split(":")[0]) for each in body["skipped"]] == [
        (4, "no ISBN"),
        (5, f"{isbn(1)} stands on line 2 already"),
    ]
    emma, persuasion = await Book.get(isbn(1)), await Book.get(isbn(2))
    assert emma is not None
    assert persuasion is not None
    assert emma.price is not None
    assert persuasion.price is not None
    assert (emma.price.amount, persuasion.price.amount) == (999, 1250)
    counted = [
        (await Stock.get_pymongo_collection().find_one({"_id": isbn(n)}) or {})["on_hand"] for n in (1, 2)
    ]
    assert counted == [3, 7]


async def test_twice_changes_nothing(client: AsyncClient, worker: None) -> None:
    """A second run of the same file is a new import whose rows are all unchanged; sold copies do not come back."""
    await finished(client, (await send(client, FEED)).headers["location"])
    sold = {"_id": isbn(1)}
    await Stock.get_pymongo_collection().update_one(
        sold, {"$inc": {"on_hand": -1, "available": -1, "rev": 1}}
    )
    moved = await Movement.get_pymongo_collection().count_documents({})
    revs = [each["rev"] async for each in Book.get_pymongo_collection().find({})]
    again = await finished(client, (await send(client, FEED)).headers["location"])
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 2)
    assert [each["rev"] async for each in Book.get_pymongo_collection().find({})] == revs
    assert await Movement.get_pymongo_collection().count_documents({}) == moved
    assert (await Stock.get_pymongo_collection().find_one(sold) or {})["on_hand"] == 2


async def test_edited_between(client: AsyncClient, worker: None) -> None:
    """A file that is sent again after a title was edited makes it say what the file says."""
    await finished(client, (await send(client, FEED)).headers["location"])
    edit = {"title": "Emma, edited", "price": {"amount": 1, "currency": "EUR"}}
    put = await client.put(f"/v1/books/{isbn(1)}", json=edit, headers=STAFF | {"Prefer": "wait=10"})
    assert put.json()["result"]["title"] == "Emma, edited"
    again = await finished(client, (await send(client, FEED)).headers["location"])
    assert (again["changed"], again["unchanged"]) == (1, 1)
    assert (await client.get(f"/v1/books/{isbn(1)}")).json()["title"] == "Emma"


async def test_same_key(client: AsyncClient, worker: None) -> None:
    """The same Idempotency-Key is the same import; with another file or another price it is refused."""
    first = await send(client, FEED, "k1")
    body = await finished(client, first.headers["location"])
    second = await send(client, FEED, "k1")
    assert second.status_code == 202
    assert second.json()["id"] == body["id"]
    assert await Receipt.get_pymongo_collection().count_documents({}) == 2
    problem(await send(client, FEED + b"\n", "k1"), 422, "idempotency_key_reused")
    problem(await send(client, FEED, "k1", price="1.00"), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "params", "line", "word"),
    [
        (b"", {}, 1, "header"),
        (b"9780306406157,Title\n", {}, 1, "header"),
        (b"isbn,title\n9780306406157,A\n9780306406157,\xff\n", {}, 3, "UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", {}, 1, "text file"),
        (b"isbn,title\nPK\x03\x04\x00\n", {}, 2, "binary"),
        (b'isbn,title\n9780306406157,"A\n', {}, 2, "cannot be read"),
        (b"[]", {"format": "jsonl"}, 1, "JSON Lines"),
        (b"isbn,title\n", {"format": "xml"}, None, "no format 'xml'"),
        (b"isbn,title\n", {"filename": "books.xlsx"}, None, "does not say its format"),
    ],
)
async def test_unreadable(
    client: AsyncClient, body: bytes, params: dict[str, str], line: int | None, word: str
) -> None:
    """A file that cannot be read as a whole is refused with its line and reason, and nothing of it is taken."""
    said = problem(await send(client, body, **params), 422, "bad_feed")
    assert word in said["detail"]
    assert said.get("line") == line
    assert await Import.get_pymongo_collection().count_documents({}) == 0


@pytest.mark.parametrize("price", ["-1", "1.999", "1,50", "cheap", "99999999999"])
async def test_bad_price(client: AsyncClient, price: str) -> None:
    """A price that is none, is negative or too exact for its currency is refused before anything is read."""
    assert "price" in problem(await send(client, FEED, price=price), 422, "invalid_input")["detail"]


async def test_rights(client: AsyncClient) -> None:
    """Only the staff imports and reads imports."""
    problem(await client.post("/v1/imports", content=FEED), 401, "unauthorized")
    shopper = await sign_in(client)
    problem(await client.post("/v1/imports", content=FEED, headers=shopper), 403, "forbidden")
    problem(await client.get("/v1/imports/x", headers=shopper), 403, "forbidden")
    problem(await client.get("/v1/imports/x", headers=STAFF), 404, "not_found")


async def test_broker_away(client: AsyncClient, edge: Edge) -> None:
    """Without a broker an import is 503, and the import is not there: nothing was accepted."""
    await edge.publisher.close()
    answer = await send(client, FEED, "away")
    assert problem(answer, 503, "broker_unavailable")["confirmed"] == 0
    assert "retry-after" in answer.headers
    assert await Import.get_pymongo_collection().count_documents({}) == 0


async def test_ten_thousand(client: AsyncClient, edge: Edge, worker: None, database: Database) -> None:
    """10,000 real books: 9,277 titles and 723 rows named, within a minute; a second run changes nothing."""
    body = goodbooks_path().read_bytes()
    began = time.monotonic()
    first = await send(client, body, price="12.99", stock=20)
    assert first.status_code == 202, first.text
    accepted_s = time.monotonic() - began
    done = await finished(client, first.headers["location"], within_s=60)
    took_s = time.monotonic() - began
    print(f"accepted after {accepted_s:.1f} s, through after {took_s:.1f} s")  # noqa: T201
    assert (done["rows"], done["added"], done["skipped_count"]) == (9277, 9277, 723)
    assert len(done["skipped"]) == 723
    assert await Book.get_pymongo_collection().count_documents({"available": True}) == 9277
    assert (await client.get("/v1/books")).json()["total"] == 9277
    second = await send(client, body, price="12.99", stock=20)
    again = await finished(client, second.headers["location"], within_s=60)
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 9277)
    assert await Movement.get_pymongo_collection().count_documents({}) == 9277

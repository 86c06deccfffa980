"""`quire import` from its own side, and the first titles of an empty shop."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo.asynchronous.database import AsyncDatabase
from rich.console import Console

from broker.connection import connect
from broker.declare import apply
from broker.embedded.server import EmbeddedServer
from broker.publish import Publisher
from documents.catalog import Book
from ops.database import prepare
from ops.demo_catalogue import demo_books
from ops.imports import ImportFailed, run_import, seed
from tests.app.edges import OPERATOR, make_edge, serving
from tests.app.shelves import isbn, working

Database = AsyncDatabase[dict[str, Any]]
FEED = f"isbn,title\n{isbn(1)},Emma\n123,[bold]Wrong\n"


def console() -> Console:
    """A screen to read from."""
    return Console(file=io.StringIO(), width=100)


def shown(screen: Console) -> str:
    """What is on it."""
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.fixture
async def broker() -> Any:
    """The embedded broker with the whole topology."""
    server = EmbeddedServer()
    await server.start()
    connection = await connect(server, name="topology")
    await apply(connection)
    await connection.close()
    yield server
    await server.stop()


async def test_import(mongo_database: Database, broker: EmbeddedServer, tmp_path: Path) -> None:
    """A file is sent, followed to its end and reported, on the screen and as JSON; sent again, nothing changes."""
    await prepare(mongo_database)
    publisher = Publisher(broker, name="edge publishes")
    await publisher.start()
    file, report = tmp_path / "a.csv", tmp_path / "report.json"
    file.write_text(FEED)
    async with serving(make_edge(broker, publisher)) as client, working(broker, mongo_database):
        screen = console()
        view = await run_import(
            file, url="", token=OPERATOR, price="12.99", stock=3, report=report, console=screen, client=client
        )
        assert (view.status, view.added, view.skipped_count) == ("finished", 1, 1)
        assert "line 3: no ISBN: 123: it has 3 digits, not 10 or 13" in shown(screen)
        assert json.loads(report.read_text())["skipped"][0]["line"] == 3
        again = await run_import(
            file, url="", token=OPERATOR, price="12.99", stock=3, console=console(), client=client
        )
        assert (again.added, again.changed, again.unchanged) == (0, 0, 1)
        with pytest.raises(ImportFailed, match="bad_token"):
            await run_import(file, url="", token="wrong", console=console(), client=client)
        file.write_bytes(b"isbn,title\n\xff\n")
        with pytest.raises(ImportFailed, match=r"bad_feed: line 2: byte 1 \(0xff\) is not UTF-8"):
            await run_import(file, url="", token=OPERATOR, console=console(), client=client)
    await publisher.close()


async def test_no_file(tmp_path: Path) -> None:
    """A file that is not there, or whose format nobody knows, is said before anything is sent."""
    with pytest.raises(ImportFailed, match="is no file"):
        await run_import(tmp_path / "a.csv", url="http://127.0.0.1:1", token="t", console=console())
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(ImportFailed, match="does not say its format"):
        await run_import(tmp_path / "a.xlsx", url="http://127.0.0.1:1", token="t", console=console())


async def test_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge that is away for a moment is asked again with the same key; one that stays away ends the import."""
    file = tmp_path / "a.csv"
    file.write_text(FEED)
    keys: list[str] = []
    done: dict[str, Any] = {
        "id": "i",
        "status": "finished",
        "filename": "a.csv",
        "format": "csv",
        "sha256": "",
        "created_at": "2026-03-01T00:00:00Z",
        "rows": 1,
        "done": 1,
        "added": 1,
        "changed": 0,
        "unchanged": 0,
        "rejected": 0,
        "failed": 0,
        "skipped_count": 0,
        "skipped": [],
        "problems": [],
    }

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            keys.append(request.headers["idempotency-key"])
            assert await request.aread() == file.read_bytes()
            if len(keys) < 3:
                return httpx.Response(503, json={"code": "broker_unavailable", "detail": "away"})
        return httpx.Response(202 if request.method == "POST" else 200, json=done)

    monkeypatch.setattr("ops.imports.client.RETRY_WAIT_S_MAX", 0.01)
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(answer), base_url="http://quire.test"
    ) as client:
        view = await run_import(file, url="", token="t", console=console(), client=client)
    assert view.added == 1
    assert len(keys) == 3
    assert len(set(keys)) == 1
    with pytest.raises(ImportFailed, match="does not answer"):
        await run_import(file, url="http://127.0.0.1:1", token="t", console=console())


async def test_seed(mongo_database: Database, broker: EmbeddedServer) -> None:
    """The demo catalogue comes in whole, with copies to sell; once more changes nothing."""
    await prepare(mongo_database)
    publisher = Publisher(broker, name="seeds")
    await publisher.start()
    async with working(broker, mongo_database):
        first = await seed(publisher)
        assert first.added >= 300
        books = Book.get_pymongo_collection()
        assert first.added == first.done == await books.count_documents({})
        with_copies = sum(book.stock > 0 for book in demo_books())
        assert await books.count_documents({"available": True}) == with_copies
        assert await seed(publisher) == first
    await publisher.close()

"""Runs over dead letters that cannot go on: they say why and how far they came, and nothing is lost."""

import asyncio
import sys
from typing import Any
from urllib.parse import urlsplit

import aiormq
import pytest
from aio_pika.abc import AbstractRobustConnection
from beanie import init_beanie
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from broker.connection import connect
from broker.letters import LettersBusy, LettersUnavailable, Selection, UnknownGroup, drop, reading, survey
from broker.topology import BY_NAME
from documents import DOCUMENTS
from documents.audit import AuditEntry
from ops.servers import Mongod
from tests.broker.house import House, until
from tests.broker.mending import BY, CARTS_ONLY, again
from tests.broker.test_letters_seen import put
from tests.faults.proxy import proxy_to

REPLAY = sys.modules["broker.letters.replay"]  # the package has functions of the same names
DROP = sys.modules["broker.letters.drop"]
NAMES = [f"m{number}" for number in range(6)]


class Breaking:
    """Takes the connection on which letters are read away, as a broker does that goes down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connections: list[AbstractRobustConnection] = []
        monkeypatch.setattr(reading, "connect", self._connect)

    async def _connect(self, *args: Any, **options: Any) -> AbstractRobustConnection:
        self.connections.append(await connect(*args, **options))
        return self.connections[-1]

    async def now(self) -> None:
        """Breaks the latest one."""
        transport = self.connections[-1].transport
        assert transport is not None
        await transport.connection.close(aiormq.exceptions.ConnectionClosed(320, "CONNECTION_FORCED"))

    def publishing(self, house: House, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        """Breaks it when the copy of letter number `at` is with the broker, and the letter not yet off its queue."""
        publish, copies = house.publisher.publish_body, 0

        async def and_break(*args: Any, **options: Any) -> None:
            nonlocal copies
            await publish(*args, **options)
            copies += 1
            if copies == at:
                await self.now()

        monkeypatch.setattr(REPLAY, "TOGETHER", 1)
        monkeypatch.setattr(house.publisher, "publish_body", and_break)


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Breaking:
    """A connection that can be broken."""
    return Breaking(monkeypatch)


async def entry_of(house: House) -> dict[str, Any]:
    """The one run in the audit."""
    [entry] = [raw async for raw in house.database.audit.find({"deed": "replayed"})]
    return dict(entry)


async def back(house: House, at_least: int) -> None:
    """Returns once so many letters stand in their queue."""

    async def there() -> bool:
        return await house.waiting("carts.dead") >= at_least

    await until(there, f"{at_least} letters in carts.dead")


async def test_a_connection_that_breaks_ends_a_replay_with_a_reason(
    house: House, breaking: Breaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result says what was done and why no more; so does the audit; the other letters stand where they stood."""
    await put(house, *NAMES)
    breaking.publishing(house, monkeypatch, at=3)
    result = await again(house)
    assert result.stopped is not None
    assert result.stopped.startswith("the connection to the broker broke")
    assert (result.matched, result.done) == (6, 2)
    entry = await entry_of(house)
    assert (entry["why"], entry["counts"]["replayed"]) == (result.stopped, 2)
    await back(house, 4)
    monkeypatch.undo()
    assert (await again(house)).stopped is None
    assert await house.waiting("carts.dead") == 0


async def test_one_that_breaks_before_anything_is_done_is_unavailable(
    house: House, breaking: Breaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LettersUnavailable, no group of errors; the audit says why, and that nothing was done."""
    await put(house, *NAMES)
    breaking.publishing(house, monkeypatch, at=1)
    with pytest.raises(LettersUnavailable, match="the connection to the broker broke"):
        await again(house)
    entry = await entry_of(house)
    assert entry["why"].startswith("the connection to the broker broke")
    assert entry["counts"] == {"matched": 6, "replayed": 0, "ready": 6}
    await back(house, 6)


async def test_a_drop_that_breaks_says_how_far_it_came(
    house: House, breaking: Breaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are gone, the third is in the audit and stands there still: dropped again it leaves one entry."""
    await put(house, *NAMES)
    note, notes = DROP._note, 0

    async def and_break(*args: Any) -> None:
        nonlocal notes
        await note(*args)
        notes += 1
        if notes == 3:
            await breaking.now()

    monkeypatch.setattr(DROP, "_note", and_break)
    result = await drop(house.endpoint, CARTS_ONLY, by=BY, why="a test")
    assert result.done == 2
    assert result.stopped is not None
    assert result.stopped.startswith("the connection to the broker broke")
    await back(house, 4)
    monkeypatch.undo()
    await drop(house.endpoint, CARTS_ONLY, by=BY, why="a test")
    assert await house.database.audit.count_documents({"deed": "dropped"}) == 6


@pytest.mark.parametrize("when", ["before it is judged", "before it is written"])
async def test_a_drop_does_not_wait_for_a_silent_database(
    house: House, mongod: Mongod, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """It fails and gives the letters back; the driver alone would try the transaction again for two minutes."""
    await put(house, *NAMES)
    monkeypatch.setattr(DROP, "WRITTEN_WITHIN_S", 1.0)
    monkeypatch.setattr("broker.letters.standing.TOLD_WITHIN_S", 1.0)
    judge = DROP.judge
    async with proxy_to(urlsplit(mongod.url).port or 27017) as proxy:
        url = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
        async with AsyncMongoClient[dict[str, Any]](url, tz_aware=True) as client:
            await init_beanie(
                database=client[house.database.name], document_models=list(DOCUMENTS), skip_indexes=True
            )

            async def and_silence(*args: Any) -> Any:
                if when == "before it is judged":
                    proxy.silence()
                judged = await judge(*args)
                proxy.silence()
                return judged

            monkeypatch.setattr(DROP, "judge", and_silence)
            with pytest.raises(PyMongoError):
                async with asyncio.timeout(60):
                    await drop(house.endpoint, CARTS_ONLY, by=BY, why="a test")
            proxy.heal()
    await back(house, 6)
    assert await house.database.audit.count_documents({}) == 0


async def test_a_run_that_was_refused_leaves_a_closed_entry(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else reads: the entry says so. An unknown group leaves none, and whatever breaks is named."""
    await put(house, *NAMES)
    with pytest.raises(UnknownGroup):
        await again(house, Selection(group="nobody"))
    assert await house.database.audit.count_documents({}) == 0
    monkeypatch.setattr(reading, "LOCKED_WITHIN_S", 0.1)
    async with reading.reader(house.endpoint) as other:
        await other.lock(BY_NAME["carts"])
        with pytest.raises(LettersBusy):
            await again(house)
    entry = await entry_of(house)
    assert (entry["why"], entry["counts"]) == (
        "somebody else reads carts.dead just now: try again",
        {"matched": 0, "replayed": 0},
    )
    await AuditEntry.get_pymongo_collection().delete_many({})

    def bug(*_args: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(REPLAY, "judge", bug)
    with pytest.raises(ZeroDivisionError):
        await again(house)
    assert (await entry_of(house))["why"] == "ZeroDivisionError"


async def test_a_silent_broker_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time limit that ran out says nothing of itself: its error is an empty text."""

    async def silent(*_args: Any, **_options: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr(reading, "connect", silent)
    with pytest.raises(LettersUnavailable, match="dead letters: it does not answer in time"):
        await survey("amqp://nowhere/", CARTS_ONLY)
    assert reading.told(ConnectionResetError()) == "ConnectionResetError"

"""Bare commands: what the driver's methods would have done, in a transaction of the real database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, OperationFailure

from broker import bare
from broker.actors.store import TRANSACTION
from documents.actors import Write
from ops.database import Database

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def things(worker_database: Database) -> AsyncIterator[bare.Collection]:
    """Five documents, in a collection of this test's own."""
    collection = worker_database["things"]
    await collection.insert_many([{"_id": number, "rev": 1, "at": AT} for number in range(5)])
    yield collection
    await collection.drop()


@asynccontextmanager
async def transaction(collection: bare.Collection) -> AsyncIterator[AsyncClientSession]:
    """As a worker's."""
    async with (
        collection.database.client.start_session() as session,
        await session.start_transaction(**TRANSACTION),
    ):
        yield session


async def test_everything_is_found_also_what_does_not_fit_one_answer(
    things: bare.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers end at 16 MB; times keep their zone."""
    monkeypatch.setattr(bare, "FOUND_AT_ONCE", 2)
    async with transaction(things) as session:
        found = await bare.find(things, {"_id": {"$in": [0, 1, 2, 3, 4, 9]}}, session)
        named = await bare.find(things, {"_id": 3}, session, {"rev": 1})
    assert sorted(each["_id"] for each in found) == [0, 1, 2, 3, 4]
    assert found[0]["at"] == AT
    assert named == [{"_id": 3, "rev": 1}]


async def test_an_update_says_how_many_it_found(things: bare.Collection) -> None:
    """One whose guard finds nothing is no error here: the caller's fence is."""
    change = {"$inc": {"rev": 1}}
    async with transaction(things) as session:
        writes = [Write({"_id": 0, "rev": 1}, change), Write({"_id": 1, "rev": 7}, change)]
        assert await bare.update(things, writes, session) == 1
    assert [each["rev"] async for each in things.find({}, sort=[("_id", 1)])] == [2, 1, 1, 1, 1]


@pytest.mark.parametrize("ordered", [True, False])
async def test_an_insert_that_is_there_is_told_as_the_driver_tells_it(
    things: bare.Collection, *, ordered: bool
) -> None:
    """And nothing of its transaction stays."""
    documents: list[dict[str, Any]] = [{"_id": 7}, {"_id": 3}]
    with pytest.raises(BulkWriteError) as told:
        async with transaction(things) as session:
            await bare.insert(things, documents, session, ordered=ordered)
    assert [each["code"] for each in (told.value.details or {})["writeErrors"]] == [11000]
    assert await things.count_documents({}) == 5


async def test_a_conflict_has_the_label_that_says_so(things: bare.Collection) -> None:
    """`is_conflict` looks for it."""
    write = Write({"_id": 0}, {"$inc": {"rev": 1}})
    async with transaction(things) as first:
        await bare.update(things, [write], first)
        with pytest.raises(OperationFailure) as told:
            async with transaction(things) as second:
                await bare.update(things, [write], second)
    assert told.value.has_error_label("TransientTransactionError")

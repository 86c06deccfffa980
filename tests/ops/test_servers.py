"""Servers of our own: they come up, they keep their data, and they go when Quire goes."""

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase


async def test_transactions_work(mongo_database: AsyncDatabase[dict[str, Any]]) -> None:
    """A mongod of our own takes transactions: it is a replica set."""
    client = mongo_database.client
    async with client.start_session() as session, await session.start_transaction():
        await mongo_database.things.insert_one({"_id": 1}, session=session)
    assert await mongo_database.things.count_documents({}) == 1

"""Speed means nothing where a promise was broken: what must hold after a run, read from the database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from ops.bench.shoppers import WentWrong
from ops.bench.stand import Stand
from ops.settings import Settings

SETTLED_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
STILL_FOR_S = 0.5
Database = AsyncDatabase[dict[str, Any]]


async def verify(on: Stand) -> dict[str, int]:
    """What was counted. Raises `WentWrong` naming the first promise that was broken."""
    async with AsyncMongoClient[dict[str, Any]](on.mongodb_url, tz_aware=True) as client:
        database = client[Settings.model_fields["database"].default]
        await _settled(database)
        async for wrong in _wrong_stock(database):
            raise WentWrong(f"the stock of {wrong['_id']} does not equal its movements: {wrong}")
        return await _counts(database)


async def applied_so_far(on: Stand, kind: str | None) -> int:
    """How many messages of a type were processed; waits until none is under way, so that the next count is its own."""
    if kind is None:
        return 0
    async with AsyncMongoClient[dict[str, Any]](on.mongodb_url) as client:
        receipts = client[Settings.model_fields["database"].default].receipts
        before = -1
        while (now := await receipts.count_documents({"type": kind})) != before:
            before = now
            await asyncio.sleep(STILL_FOR_S)
        return now


async def until_applied(on: Stand, kind: str, many: int) -> None:
    """Returns once that many messages of a type were processed. Raises `RetryError` after a minute."""
    async with AsyncMongoClient[dict[str, Any]](on.mongodb_url) as client:
        receipts = client[Settings.model_fields["database"].default].receipts

        async def missing() -> bool:
            return await receipts.count_documents({"type": kind}) < many

        until_none = AsyncRetrying(
            retry=retry_if_result(bool),
            wait=wait_fixed(LOOK_EVERY_S),
            stop=stop_after_delay(SETTLED_WITHIN_S),
        )
        await until_none(missing)


async def _settled(database: Database) -> None:
    """Waits until no order is under way and the outbox is empty."""

    async def under_way() -> int:
        placed = await database.orders.count_documents({"status": "placed"})
        return placed + int(await database.outbox.count_documents({}))

    until_none = AsyncRetrying(
        retry=retry_if_result(bool), wait=wait_fixed(LOOK_EVERY_S), stop=stop_after_delay(SETTLED_WITHIN_S)
    )
    await until_none(under_way)


async def _wrong_stock(database: Database) -> AsyncIterator[dict[str, Any]]:
    """Titles whose counts are not the sums of their ledger, or whose reserved copies are not those of open orders."""
    sums = {"_id": "$isbn", "on_hand": {"$sum": "$on_hand"}, "reserved": {"$sum": "$reserved"}}
    lookup = {"from": "stock", "localField": "_id", "foreignField": "_id", "as": "stock"}
    differs = {
        "$or": [
            {"$ne": ["$on_hand", {"$first": "$stock.on_hand"}]},
            {"$ne": ["$reserved", {"$first": "$stock.reserved"}]},
        ]
    }
    pipeline: list[dict[str, Any]] = [{"$group": sums}, {"$lookup": lookup}, {"$match": {"$expr": differs}}]
    async for wrong in await database.movements.aggregate(pipeline):
        yield wrong
    held = {"_id": "$lines.isbn", "copies": {"$sum": "$lines.quantity"}}
    open_orders: list[dict[str, Any]] = [
        {"$match": {"status": {"$in": ["placed", "confirmed"]}}},
        {"$unwind": "$lines"},
        {"$group": held},
        {"$lookup": lookup},
        {"$match": {"$expr": {"$ne": ["$copies", {"$first": "$stock.reserved"}]}}},
    ]
    async for wrong in await database.orders.aggregate(open_orders):
        yield wrong


async def _counts(database: Database) -> dict[str, int]:
    failed = await database.receipts.count_documents({"status": "failed"})
    if failed:
        raise WentWrong(f"{failed} messages failed: look at the receipts with status failed")
    return {
        "orders": await database.orders.count_documents({}),
        "confirmed orders": await database.orders.count_documents({"status": "confirmed"}),
        "carts": await database.carts.count_documents({}),
        "receipts": await database.receipts.count_documents({}),
        "failed messages": failed,
    }

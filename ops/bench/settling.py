"""Waiting until what was asked for is done, and what can be read of it in the database, at little cost to it.

The number of receipts is what the database knows without counting (collection statistics), so asking for it often costs
the measured nothing.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from documents.actors import utc_now
from ops.bench.figures import WentWrong
from ops.bench.stand import ORDERED, Stand

LOOK_EVERY_S = 0.02
LOOK_AGAIN_S = 0.1
QUIET_FOR_S = 0.5
STUCK_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment in which nothing moved, and how many receipts there were."""

    receipts: int
    at: datetime = field(default_factory=utc_now)


async def received(on: Stand) -> int:
    """How many messages left a receipt, all groups together."""
    return await on.database.receipts.estimated_document_count()


async def until_received(on: Stand, many: int) -> None:
    """Returns once there are so many receipts. Raises `WentWrong` where none came for a minute."""
    last, at = -1, time.perf_counter()
    while (now := await received(on)) < many:
        if now != last:
            last, at = now, time.perf_counter()
        elif time.perf_counter() - at > STUCK_AFTER_S:
            raise WentWrong(f"no message was processed for a minute: {now} receipts of {many}")
        await asyncio.sleep(LOOK_EVERY_S)


async def quiet(on: Stand) -> Moment:
    """Waits for half a second in which no receipt was written and no outbox row was left. Raises `WentWrong`."""
    deadline = time.perf_counter() + STUCK_AFTER_S
    last, since = -1, time.perf_counter()
    while time.perf_counter() - since < QUIET_FOR_S:
        now = await received(on)
        if now != last:
            last, since = now, time.perf_counter()
            deadline = since + STUCK_AFTER_S
        elif await on.database.outbox.estimated_document_count():
            since = time.perf_counter()
        if time.perf_counter() > deadline:
            raise WentWrong("the outbox did not empty within a minute")
        await asyncio.sleep(LOOK_AGAIN_S)
    return Moment(last)


async def batch_sizes(on: Stand, moment: Moment) -> dict[int, int]:
    """How many batches of ordered groups had so many messages: a batch's receipts share the time of its transaction."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"at": {"$gte": moment.at}, "group": {"$in": list(ORDERED)}}},
        {"$group": {"_id": "$at", "size": {"$sum": 1}}},
        {"$group": {"_id": "$size", "batches": {"$sum": 1}}},
        {"$sort": {"_id": 1}},
    ]
    return {row["_id"]: row["batches"] async for row in await on.database.receipts.aggregate(pipeline)}

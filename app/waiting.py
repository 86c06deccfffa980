"""Waiting for a command's outcome: the reply, or where replies may not come, the receipt."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pymongo
import structlog
from pymongo.errors import PyMongoError

from app.operations import Ended, ended_of, replied
from broker.replies import NoAnswer, Reply
from broker.together import Together
from documents.operations import Outcome, Receipt, receipt_id

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.2
LOOK_S = 2.0

Found = dict[str, dict[str, Any]]


async def read_receipt(group: str, message_id: str) -> Ended | None:
    """What the receipt says, or None while there is none; waits for a new primary as any other read does."""
    found = await Receipt.get_pymongo_collection().find_one({"_id": receipt_id(group, message_id)})
    return ended_of(found) if found else None


class Receipts:
    """Looks at receipts for the requests of one process: those who ask at the same moment share a query.

    A sale brings 500 orders at once, each with a key to look up. Alone, each held a cursor and waited for one of the
    driver's connections: 600 answers a second instead of 1,100 (docs/performance.md).
    """

    def __init__(self) -> None:
        self._read = Together(_find)

    async def of(self, groups: Iterable[str], message_id: str) -> Ended | None:
        """What the receipt of a message says in whichever of these groups has it, or None while there is none.

        Raises PyMongoError where a query is not answered within 2 s; whoever came while it hung waits for that and for
        the next. Who has waited enough cancels: nobody else's query ends with that.
        """
        names = [receipt_id(group, message_id) for group in groups]
        found = await self._read(names)
        return next((ended_of(found[name]) for name in names if name in found), None)

    async def outcome(
        self,
        group: str,
        message_id: str,
        wait_s: float,
        reply: asyncio.Future[Reply] | None,
        leaving: asyncio.Event,
    ) -> Ended | None:
        """How a message ended, or as far as it is after `wait_s` or at this process's stop: None if nothing is written.

        With a `reply` to come, it is waited for and the receipt read once more at the end; a reply may be lost. Without
        one (the reply queue does not stand, or an earlier try sent the message) the receipt is looked at again and
        again.
        """
        if reply is None:
            return await self._watch(group, message_id, wait_s, leaving)
        try:
            async with asyncio.timeout(wait_s):
                return replied(await reply)
        except (TimeoutError, NoAnswer):
            return await self._look(group, message_id)

    async def _look(self, group: str, message_id: str) -> Ended | None:
        """The receipt; None also where the database does not say, for the command was accepted all the same."""
        try:
            async with asyncio.timeout(LOOK_S):
                return await self.of((group,), message_id)
        except (PyMongoError, TimeoutError) as error:
            log.warning("receipt.not_read", message_id=message_id, error=repr(error))
            return None

    async def _watch(
        self, group: str, message_id: str, wait_s: float, leaving: asyncio.Event
    ) -> Ended | None:
        clock = asyncio.get_running_loop().time
        until = clock() + wait_s
        while True:
            ended = await self._look(group, message_id)
            left_s = until - clock()
            if left_s <= 0 or leaving.is_set() or (ended is not None and ended.status is not Outcome.PENDING):
                return ended
            with suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_EVERY_S, left_s)):
                    await leaving.wait()


async def _find(names: list[str]) -> Found:
    """Ends by itself: cancelled while it selects a server, PyMongo 4.20 can leave its lock locked."""
    with pymongo.timeout(LOOK_S):
        found = Receipt.get_pymongo_collection().find({"_id": {"$in": names}})
        return {raw["_id"]: raw async for raw in found}

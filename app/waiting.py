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
from documents.operations import Outcome, Receipt, receipt_id

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.2
LOOK_S = 2.0


async def read_receipt(group: str, message_id: str) -> Ended | None:
    """What the receipt says, or None while there is none."""
    found = await Receipt.get_pymongo_collection().find_one({"_id": receipt_id(group, message_id)})
    return ended_of(found) if found else None


async def read_receipts(groups: Iterable[str], message_id: str) -> Ended | None:
    """The receipt of a message in whichever of these groups has it."""
    names = [receipt_id(group, message_id) for group in groups]
    found: dict[str, Any] | None = await Receipt.get_pymongo_collection().find_one({"_id": {"$in": names}})
    return ended_of(found) if found else None


async def outcome(
    group: str,
    message_id: str,
    wait_s: float,
    reply: asyncio.Future[Reply] | None,
    leaving: asyncio.Event,
) -> Ended | None:
    """How a message ended, or as far as it is after `wait_s` or when this process stops: None where nothing is written.

    With a `reply` to come, it is waited for and the receipt read once more at the end; a reply may be lost. Without
    one (the reply queue does not stand, or an earlier try sent the message) the receipt is looked at again and again.
    """
    if reply is None:
        return await _watch_receipt(group, message_id, wait_s, leaving)
    try:
        async with asyncio.timeout(wait_s):
            return replied(await reply)
    except (TimeoutError, NoAnswer):
        return await _look(group, message_id)


async def _look(group: str, message_id: str) -> Ended | None:
    """The receipt; None also where the database does not say, for the command was accepted all the same."""
    try:
        with pymongo.timeout(LOOK_S):
            return await read_receipt(group, message_id)
    except PyMongoError as error:
        log.warning("receipt.not_read", message_id=message_id, error=repr(error))
        return None


async def _watch_receipt(group: str, message_id: str, wait_s: float, leaving: asyncio.Event) -> Ended | None:
    """Reads end by themselves: cancelled while it selects a server, PyMongo 4.20 can leave its lock locked."""
    clock = asyncio.get_running_loop().time
    until = clock() + wait_s
    while True:
        ended = await _look(group, message_id)
        left_s = until - clock()
        if left_s <= 0 or leaving.is_set() or (ended is not None and ended.status is not Outcome.PENDING):
            return ended
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LOOK_EVERY_S, left_s)):
                await leaving.wait()

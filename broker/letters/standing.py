"""What a replay of a letter would come to, as the database has it now.

The worker decides for itself, in its transaction; this is for people, before they replay, and keeps letters where they
stand that a worker would refuse.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import pymongo

from broker.letters.letter import Letter
from documents.actors import Actor
from documents.carts import Cart
from documents.catalog import Book
from documents.operations import RECEIPT_LIFETIME, Outcome, Receipt, receipt_id
from documents.orders import Order

ACTORS: dict[str, type[Actor]] = {"catalog": Book, "carts": Cart, "orders": Order}
"""The actor of each ordered group."""

ASKED_AT_ONCE = 500
TOLD_WITHIN_S = 10.0


class Standing(StrEnum):
    """How a letter stands to the present."""

    READY = "ready"  # it would be processed
    SETTLED = (
        "settled"  # its receipt says something else by now: a replay changes nothing, and the letter goes
    )
    SUPERSEDED = "superseded"  # its actor has moved on since: only by force
    EXPIRED = "expired"  # too old to know whether it was processed after all: only by force
    CUT = "cut"  # the letter could not keep its body: it can only be dropped


async def judge(letters: Sequence[Letter], now: datetime) -> list[Standing]:
    """How each of some letters stands, in their order; two queries for every 500.

    Raises what the driver does where the database does not tell within 10 s: letters are held meanwhile.
    """
    judged: list[Standing] = []
    with pymongo.timeout(TOLD_WITHIN_S):
        for start in range(0, len(letters), ASKED_AT_ONCE):
            judged.extend(await _judge(letters[start : start + ASKED_AT_ONCE], now))
    return judged


async def _judge(letters: Sequence[Letter], now: datetime) -> list[Standing]:
    receipts = await _receipts(letters)
    revs = await _revs(letters)
    return [
        _standing(
            letter,
            receipts.get(receipt_id(letter.group.name, letter.message_id)),
            revs.get((letter.group.name, letter.key), 0),
            now,
        )
        for letter in letters
    ]


def _standing(letter: Letter, receipt: dict[str, Any] | None, rev: int, now: datetime) -> Standing:
    if letter.cut:
        return Standing.CUT
    if receipt is not None and not answers(letter, receipt):
        return Standing.SETTLED
    if letter.accepted_at is not None and now - letter.accepted_at > RECEIPT_LIFETIME:
        return Standing.EXPIRED
    if receipt is None or letter.group.name not in ACTORS or not letter.key:
        return Standing.READY
    failed_rev = receipt.get("rev")
    return Standing.READY if failed_rev is None or failed_rev == rev else Standing.SUPERSEDED


def answers(letter: Letter, receipt: dict[str, Any]) -> bool:
    """Whether a receipt is of the very failure that a letter tells of: they were written together."""
    failed: bool = receipt["status"] == Outcome.FAILED.value and receipt["at"] == letter.last_failed_at
    return failed


async def _receipts(letters: Sequence[Letter]) -> dict[str, dict[str, Any]]:
    ids = [receipt_id(letter.group.name, letter.message_id) for letter in letters]
    found = Receipt.get_pymongo_collection().find({"_id": {"$in": ids}}, {"status": 1, "at": 1, "rev": 1})
    return {raw["_id"]: raw async for raw in found}


async def _revs(letters: Sequence[Letter]) -> dict[tuple[str, str], int]:
    revs: dict[tuple[str, str], int] = {}
    for group, actor in ACTORS.items():
        keys = list({letter.key for letter in letters if letter.group.name == group and letter.key})
        if keys:
            found = actor.get_pymongo_collection().find({"_id": {"$in": keys}}, {"rev": 1})
            async for raw in found:
                revs[group, raw["_id"]] = raw.get("rev", 0)
    return revs

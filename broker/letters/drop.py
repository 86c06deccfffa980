"""Dropping: a letter goes for good, and the audit keeps it whole, with who did it and why."""

import uuid

from broker.connection import Endpoint
from broker.letters.letter import Letter
from broker.letters.reading import HELD_MAX, Held, Reader, reader
from broker.letters.result import Result
from broker.letters.selection import Selection
from broker.letters.standing import judge
from broker.topology import Group
from documents.actors import utc_now
from documents.audit import AuditEntry, Deed


class ReasonMissing(ValueError):
    """Nobody drops a letter without saying why."""


async def drop(
    endpoint: Endpoint,
    selection: Selection,
    *,
    by: str,
    why: str,
    dry_run: bool = False,
    held_max: int = HELD_MAX,
) -> Result:
    """Drops the letters that are meant, of those that stood there when it began.

    Each is in the audit (majority, journalled) before it leaves the queue. A receipt that says `failed` goes on saying
    so.
    Raises `ReasonMissing`, `LettersBusy`, `LettersUnavailable`, `UnknownGroup`, `PyMongoError`.
    """
    if not why.strip():
        raise ReasonMissing("a letter is dropped for a reason: say which")
    result = Result(uuid.uuid4().hex, utc_now(), dry_run)
    async with reader(endpoint) as reading_on:
        for group in selection.groups:
            await reading_on.lock(group)
            await _drop(reading_on, group, selection, result, by, why, held_max)
    return result


async def _drop(
    reading_on: Reader,
    group: Group,
    selection: Selection,
    result: Result,
    by: str,
    why: str,
    held_max: int,
) -> None:
    """In rounds, like a replay."""

    def is_meant(letter: Letter) -> bool:
        return selection.takes(letter, result.as_of)

    left: int | None = None
    counted: set[str] = set()
    while True:
        most = held_max if left is None else min(left, held_max)
        async with reading_on.read(group, most=most, wants_body=is_meant) as reading:
            left = reading.standing if left is None else left
            meant = [each for each in reading.held if is_meant(each.letter)]
            judged = await judge([each.letter for each in meant], result.as_of)
            for each, standing in zip(meant, judged, strict=True):
                if each.letter.id not in counted:
                    counted.add(each.letter.id)
                    result.count(standing)
                if result.dry_run:
                    result.did(each.letter)
                elif each.body is not None:
                    await _note(each, by, why)
                    await reading.settle(each)
                    result.did(each.letter)
            short = any(each.body is None for each in meant)
            left -= reading.settled
            more = short or left > len(reading.held) - reading.settled
        if not reading.settled or not more:
            break
    if left > held_max:
        result.truncated.append(group.name)


async def _note(held: Held, by: str, why: str) -> None:
    letter = held.letter
    entry = {
        "deed": Deed.DROPPED.value,
        "by": by,
        "at": utc_now(),
        "why": why,
        "group": letter.group.name,
        "message_id": letter.message_id,
        "type": letter.type,
        "headers": dict(letter.headers),
        "body": held.body or b"",
    }
    await AuditEntry.get_pymongo_collection().update_one(
        {"_id": f"drop:{letter.group.name}:{letter.id}"}, {"$setOnInsert": entry}, upsert=True
    )

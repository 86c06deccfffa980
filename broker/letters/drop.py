"""Dropping: a letter goes for good, and the audit keeps it whole, with who did it and why."""

import uuid

import pymongo
from pymongo.asynchronous.client_session import AsyncClientSession

from broker.actors.store import TRANSACTION
from broker.connection import Endpoint
from broker.letters.letter import Letter
from broker.letters.reading import HELD_MAX, Held, Reader, reader
from broker.letters.result import Result
from broker.letters.run import Bounds, ended_early
from broker.letters.seen import Seen
from broker.letters.selection import Selection
from broker.letters.standing import judge
from broker.topology import Group
from documents.actors import utc_now
from documents.audit import AuditEntry, Deed
from documents.operations import Outcome, Receipt, receipt_id

WRITTEN_WITHIN_S = 10.0


class ReasonMissing(ValueError):
    """Nobody drops a letter without saying why."""


class NothingNamed(ValueError):
    """Nobody drops everything at once."""


async def drop(
    endpoint: Endpoint,
    selection: Selection,
    *,
    by: str,
    why: str,
    dry_run: bool = False,
    seen: Seen | None = None,
    held_max: int = HELD_MAX,
) -> Result:
    """Drops the letters that are meant, of those that stood there when it began, or with `seen` of those of that look.

    Each is in the audit (majority, journalled) before it leaves the queue. A receipt that says `failed` goes on saying
    so, and its operation that nobody can replay it.
    Raises `ReasonMissing`, `NothingNamed` where no group, cause, type or id is selected, `UnknownGroup`,
    `PyMongoError`, and where nothing was done yet `LettersBusy` and `LettersUnavailable`: later they are the result's
    `stopped`.
    """
    if not why.strip():
        raise ReasonMissing("a letter is dropped for a reason: say which")
    if not selection.names_something:
        raise NothingNamed(
            "select by group, cause, type or id, which ages and times only narrow: nobody drops everything at once"
        )
    groups = selection.groups
    result = Result(uuid.uuid4().hex, utc_now(), dry_run)
    bounds = Bounds(result, seen, held_max)
    with ended_early(result):
        async with reader(endpoint) as reading_on:
            for group in groups:
                if result.stopped is None and bounds.may_hold(group):
                    await reading_on.lock(group)
                    await _drop(reading_on, group, selection, result, by, why, bounds)
    return result


async def _drop(
    reading_on: Reader,
    group: Group,
    selection: Selection,
    result: Result,
    by: str,
    why: str,
    bounds: Bounds,
) -> None:
    """In rounds, like a replay."""

    def is_meant(letter: Letter) -> bool:
        return selection.takes(letter, bounds.counted_to)

    left: int | None = None
    counted: set[str] = set()
    while True:
        most = bounds.most(group, left)
        async with reading_on.read(group, most=most, wants_body=is_meant) as reading:
            left = bounds.first_look(reading) if left is None else left
            meant = [each for each in reading.held[:left] if is_meant(each.letter)]
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
    bounds.last_look(group, left)


async def _note(held: Held, by: str, why: str) -> None:
    """The audit's entry, and the mark on the failure that the letter tells of: both or neither."""
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
    entries = AuditEntry.get_pymongo_collection()

    async def write(session: AsyncClientSession) -> None:
        await entries.update_one(
            {"_id": f"drop:{letter.group.name}:{letter.id}"},
            {"$setOnInsert": entry},
            upsert=True,
            session=session,
        )
        await _give_up(letter, session)

    # The driver would go on for two minutes, with the letters and the group's lock in our hands.
    with pymongo.timeout(WRITTEN_WITHIN_S):
        async with entries.database.client.start_session() as session:
            await session.with_transaction(write, **TRANSACTION)


async def _give_up(letter: Letter, session: AsyncClientSession) -> None:
    """Marks that failure, and the operation that it was a step of: nothing sends the message again."""
    receipts = Receipt.get_pymongo_collection()
    failed = {"status": Outcome.FAILED.value}
    dropped = {"$set": {"dropped": True}}
    of_letter = {"_id": receipt_id(letter.group.name, letter.message_id), "at": letter.last_failed_at}
    receipt = await receipts.find_one_and_update(of_letter | failed, dropped, session=session)
    if receipt is not None and receipt.get("operation") is not None:
        await receipts.update_one({"_id": receipt["operation"]} | failed, dropped, session=session)

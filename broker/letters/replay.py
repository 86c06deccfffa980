"""Replaying: letters go round again, each to its own group alone, and leave the queue once the broker has the copy.

A crash between the two leaves letter and copy: it can double, never vanish, and the receipt absorbs the second one.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from broker.connection import Endpoint
from broker.delivery import FIRST_FAILED_HEADER, NEVER_FINISHED
from broker.letters.letter import Letter
from broker.letters.reading import HELD_MAX, Held, LettersUnavailable, Reader, Reading, reader
from broker.letters.result import Result
from broker.letters.run import Bounds, ended_early
from broker.letters.seen import Seen
from broker.letters.selection import Selection
from broker.letters.standing import Standing, judge
from broker.publish import BrokerUnavailable, OutcomeUnknown, Publisher, Unroutable
from broker.replays import HISTORY_MAX, Replay
from broker.topology import COMMANDS_EXCHANGE, Group, slot_of
from documents.actors import utc_now
from documents.audit import AuditEntry, Deed

TOGETHER = 32  # actors whose letters are published at a time
BY_FORCE = (Standing.SUPERSEDED, Standing.EXPIRED)


async def replay(
    endpoint: Endpoint,
    publisher: Publisher,
    selection: Selection,
    *,
    by: str,
    forced: bool = False,
    dry_run: bool = False,
    seen: Seen | None = None,
    held_max: int = HELD_MAX,
) -> Result:
    """Sends the letters that are meant round again: those that stood there when it began, in their order.

    What fails again in the meantime is not swept along; with `seen`, nothing is that came after that look. Letters
    whose actor has moved on, or that are older than receipts are kept, stay unless `forced`. `by` is who did it, for
    the audit, which says how far a run came however it ended.
    Raises `UnknownGroup`, `PyMongoError` where the database does not answer, and where nothing was done yet
    `LettersBusy` and `LettersUnavailable`: later they are the result's `stopped`.
    """
    groups = selection.groups
    result = Result(uuid.uuid4().hex, utc_now(), dry_run)
    bounds = Bounds(result, seen, held_max)
    async with _audited(result, _asked(selection, seen, forced=forced), by):
        with ended_early(result):
            async with reader(endpoint) as reading_on:
                for group in groups:
                    if result.stopped is None and bounds.may_hold(group):
                        await reading_on.lock(group)
                        await _Run(reading_on, publisher, selection, result, forced, bounds).work(group)
    return result


class _Run:
    """One group's part of a replay, in rounds: as many letters at a time as fit in memory."""

    def __init__(
        self,
        reading_on: Reader,
        publisher: Publisher,
        selection: Selection,
        result: Result,
        forced: bool,
        bounds: Bounds,
    ) -> None:
        self._reader = reading_on
        self._publisher = publisher
        self._selection = selection
        self._result = result
        self._forced = forced
        self._bounds = bounds
        self._before: dict[str, str] = {}  # by actor: the message that went last
        self._counted: set[str] = set()
        self._stays: set[str] = set()
        self._broke: LettersUnavailable | None = None

    async def work(self, group: Group) -> None:
        """All rounds. Only as many letters are read as stood there at the first look, whatever arrives behind them."""
        left: int | None = None
        while True:
            most = self._bounds.most(group, left)
            stayed = len(self._stays)
            async with self._reader.read(group, most=most, wants_body=self._wants_body) as reading:
                left = self._bounds.first_look(reading) if left is None else left
                short = await self._round(reading, left)
                left -= reading.settled
                more = short or (left > len(reading.held) - reading.settled)
            progress = reading.settled or (short and len(self._stays) > stayed)
            if not progress or not more or self._result.stopped is not None:
                break
        self._bounds.last_look(group, left)

    async def _round(self, reading: Reading, left: int) -> bool:
        """Replays what can be of the first `left`; returns whether letters are left whose bodies did not fit."""
        meant = [each for each in reading.held[:left] if self._is_meant(each.letter)]
        judged = await judge([each.letter for each in meant], self._result.as_of)
        chosen: list[Held] = []
        short = False
        for each, standing in zip(meant, judged, strict=True):
            if each.letter.id not in self._counted:
                self._counted.add(each.letter.id)
                self._result.count(standing)
            if self._must_stay(each.letter, standing):
                if each.letter.id not in self._stays:
                    self._stays.add(each.letter.id)
                    self._result.leaves(standing)
                continue
            if self._result.dry_run:
                self._result.did(each.letter)
            elif each.body is None:
                short = True
            else:
                chosen.append(each)
        await self._publish(reading, chosen)
        return short

    def _must_stay(self, letter: Letter, standing: Standing) -> bool:
        if standing is Standing.CUT:
            return True
        if standing is Standing.SUPERSEDED and letter.key in self._before:
            return False  # by a letter of this very run: the worker knows how far
        return standing in BY_FORCE and not self._forced

    def _wants_body(self, letter: Letter) -> bool:
        """Only of what goes round again: the bodies of a round are bounded."""
        return not self._result.dry_run and letter.id not in self._stays and self._is_meant(letter)

    def _is_meant(self, letter: Letter) -> bool:
        """Whether it is selected, and did not come back from this very run."""
        return letter.replay != self._result.run and self._selection.takes(letter, self._bounds.counted_to)

    async def _publish(self, reading: Reading, chosen: Sequence[Held]) -> None:
        """Actors side by side, each one's letters one after the other: they keep their order."""
        lanes: dict[str, list[Held]] = {}
        for each in chosen:
            lanes.setdefault(each.letter.key or each.letter.id, []).append(each)
        room = asyncio.Semaphore(TOGETHER)

        async def send(lane: Sequence[Held]) -> None:
            async with room:
                for each in lane:
                    if self._result.stopped is not None:
                        return
                    await self._send(reading, each)

        async with asyncio.TaskGroup() as tasks:
            for lane in lanes.values():
                tasks.create_task(send(lane))
        if self._broke is not None:
            raise self._broke

    async def _send(self, reading: Reading, held: Held) -> None:
        """Publishes one letter's message to its group alone, confirmed, and then takes the letter off the queue."""
        letter = held.letter
        assert held.body is not None
        first = letter.first_failed_at
        headers = self._replay_of(letter).headers
        if first is not None:
            headers[FIRST_FAILED_HEADER] = first.isoformat()
        try:
            await self._publisher.publish_body(
                held.body,
                COMMANDS_EXCHANGE,
                f"{letter.group.name}.{slot_of(letter.key)}",
                message_id=letter.message_id,
                type=letter.type,
                correlation_id=letter.correlation_id or None,
                headers=headers,
                bytes_max=None,
            )
        except (BrokerUnavailable, OutcomeUnknown, Unroutable) as error:
            self._result.stopped = str(error)
            return
        try:
            await reading.settle(held)
        except LettersUnavailable as error:  # said once for all lanes, and not as a group of errors
            self._broke, self._result.stopped = error, str(error)
            return
        self._before[letter.key or letter.id] = letter.message_id
        self._result.did(letter)

    def _replay_of(self, letter: Letter) -> Replay:
        return Replay(
            id=self._result.run,
            supersedes=letter.last_failed_at or self._result.as_of,
            forced=self._forced,
            after=self._before.get(letter.key),
            count=letter.replays + 1,
            history=letter.story[-HISTORY_MAX:],
            earlier_attempts=letter.earlier_attempts + letter.attempts,
            killed=letter.reason in NEVER_FINISHED,
        )


@asynccontextmanager
async def _audited(result: Result, asked: dict[str, Any], by: str) -> AsyncIterator[None]:
    """An entry that is there before anything is done, and says at the end, whatever it is, how far it came."""
    if result.dry_run:
        yield
        return
    entry = {"_id": result.run, "deed": Deed.REPLAYED.value, "by": by, "at": result.as_of, "selection": asked}
    await AuditEntry.get_pymongo_collection().insert_one(entry)
    try:
        yield
    except BaseException as error:
        await _close_audit(result, str(error) or type(error).__name__)
        raise
    await _close_audit(result, result.stopped or "")


async def _close_audit(result: Result, why: str) -> None:
    counts = {"matched": result.matched, "replayed": result.done, **result.standings}
    await AuditEntry.get_pymongo_collection().update_one(
        {"_id": result.run}, {"$set": {"counts": counts, "why": why}}
    )


def _asked(selection: Selection, seen: Seen | None, *, forced: bool) -> dict[str, Any]:
    """What was selected, for the audit."""
    ages = {"older_than_s": selection.older_than, "newer_than_s": selection.newer_than}
    plain = {name: getattr(selection, name) for name in ("group", "cause", "type", "id", "before")}
    asked: dict[str, Any] = {
        "forced": forced,
        **{name: value for name, value in plain.items() if value is not None},
        **{name: age.total_seconds() for name, age in ages.items() if age is not None},
    }
    if seen is not None:
        asked |= {"seen_at": seen.as_of, "seen": {name: mark.count for name, mark in seen.marks.items()}}
    return asked

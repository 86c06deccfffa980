"""One run of the checks: the broker first, then one snapshot of the database, each collection streamed."""

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from pymongo.errors import OperationFailure

from broker.ending import together
from broker.topology import GROUPS
from documents.actors import utc_now
from ops.check.cases import cases
from ops.check.checks import CHECKS
from ops.check.excuses import dead_letters, dying, replays, under_way
from ops.check.findings import EachOrder, EachTitle, Invariant, Report, Result, Whole
from ops.check.looking import EMBEDDED, BrokerAddress, looking_at
from ops.check.queues import Broker, BrokerLost, JournalQueues, Waiting
from ops.check.titles import titles
from ops.check.view import Database, View

SETTLE_S = 30.0
LOOK_EVERY_S = 1.0
GARBAGE_THRESHOLD = 200_000  # documents
SNAPSHOT_UNAVAILABLE = 246  # a collection was made or changed since: another moment will do
SNAPSHOT_TOO_OLD = 239
SNAPSHOTS_MAX = 5
SNAPSHOT_AGAIN_AFTER_S = 0.5  # what a majority has lags behind what was just made
TOO_OLD = (
    "the check took longer than the database keeps a snapshot: raise its parameter"
    " minSnapshotHistoryWindowInSeconds (300 by default)"
)


class Unreadable(Exception):
    """The database gave no consistent picture."""


async def check(
    database: Database,
    broker: BrokerAddress | None = EMBEDDED,
    *,
    settle_s: float = SETTLE_S,
    checks: Sequence[Invariant] = CHECKS,
) -> Report:
    """Holds every invariant against one moment of the database and of the gateway's books (`<name>_gateway`).

    `settle_s`: how long something may be under way before it is stuck; a work queue that holds messages is watched that
    long for a moment in which it is empty. Changes nothing. Raises `Unreadable`, `PyMongoError`.
    """
    started = time.monotonic()
    remarks: list[str] = []
    if broker is not None and broker.url is not None:
        remarks.append("the broker was read before the database, not in the same moment")
    async with looking_at(database, broker, remarks) as found:
        looked_at, waiting, never_empty = await _watch(found, settle_s, remarks)
        beside = looked_at if not isinstance(looked_at, JournalQueues) else None
        gateway: Database = database.client.get_database(
            f"{database.name}_gateway", codec_options=database.codec_options
        )
        view = View(
            database=database,
            gateway=gateway,
            session=None,
            now=utc_now(),
            settle=timedelta(seconds=settle_s),
            broker=looked_at,
            waiting=waiting,
            never_empty=never_empty,
            dead=await dead_letters(beside) if beside is not None else {},
        )
        results = await _in_one_moment(view, checks)
    took = time.monotonic() - started
    return Report(database.name, view.now, settle_s, took, view.counted, results, tuple(remarks))


async def _in_one_moment(view: View, checks: Sequence[Invariant]) -> tuple[Result, ...]:
    """Judges a snapshot, or another one where a collection was just made. Raises `Unreadable`, `PyMongoError`."""
    for left in reversed(range(SNAPSHOTS_MAX)):
        try:
            async with view.database.client.start_session(snapshot=True) as session:
                view.begin(session, await replays(view.database))
                return await _judge(view, checks)
        except OperationFailure as error:
            if error.code == SNAPSHOT_TOO_OLD:
                raise Unreadable(TOO_OLD) from error
            if error.code != SNAPSHOT_UNAVAILABLE or not left:
                raise
            await asyncio.sleep(SNAPSHOT_AGAIN_AFTER_S)
    raise AssertionError("the last attempt returns or raises")


async def _judge(view: View, checks: Sequence[Invariant]) -> tuple[Result, ...]:
    """All invariants: those of titles in one pass, those of orders in another, and the rest one by one beside it."""
    results = {each.name: Result(each.name, each.promise) for each in checks}
    of_titles = [each for each in checks if isinstance(each, EachTitle)]
    of_orders = [each for each in checks if isinstance(each, EachOrder)]
    wholes = [each for each in checks if isinstance(each, Whole)]
    # The first read fixes the snapshot's time, so it is made alone.
    await view.database["orders"].find_one({}, {"_id": 1}, session=view.session)
    await _look_for_excuses(view)
    with _few_collections():
        await _judge_titles(view, of_titles, results)
        # The database works for one of them while we judge what the other has read.
        await together((_judge_orders(view, of_orders, results), _survey(view, wholes, results)))
    return tuple(results.values())


async def _look_for_excuses(view: View) -> None:
    """What is dead or waits, as far as it is kept in the database: the embedded broker's, and the outbox's letters."""
    view.dying = await dying(view.database, view.session)
    if isinstance(view.broker, JournalQueues):
        view.dead = await dead_letters(view.broker)
        view.under_way = await under_way(view.broker)


async def _survey(view: View, checks: Sequence[Whole], results: dict[str, Result]) -> None:
    for each in checks:
        if each.needs_broker and view.broker is None:
            results[each.name].skipped = "no broker could be looked at"
            continue
        async for finding in each.survey(view):
            results[each.name].add(finding)
    for name, unseen in view.unseen.items():
        if name in results:
            results[name].partly = "; ".join(unseen)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Looks for garbage less often: millions of small documents, and hardly a cycle among them.

    Measured on 100,000 orders: a fifth of the time goes into looking otherwise, and memory stays the same.
    """
    before = gc.get_threshold()
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _judge_titles(view: View, checks: Sequence[EachTitle], results: dict[str, Result]) -> None:
    if checks:
        async for title in titles(view):
            for each in checks:
                for finding in each.judge(title):
                    results[each.name].add(finding)


async def _judge_orders(view: View, checks: Sequence[EachOrder], results: dict[str, Result]) -> None:
    if checks:
        async for case in cases(view):
            for each in checks:
                for finding in each.judge(case, view):
                    results[each.name].add(finding)


async def _watch(
    broker: Broker | None, settle_s: float, remarks: list[str]
) -> tuple[Broker | None, dict[str, Waiting], list[str]]:
    """The broker (None where it went away), what waits, and the work queues that were not seen empty once."""
    if broker is None:
        return None, {}, []
    try:
        return broker, *(await _watch_queues(broker, settle_s))
    except BrokerLost as error:
        remarks.append(f"{error}: queues and dead letters were not looked at")
        return None, {}, []


async def _watch_queues(broker: Broker, settle_s: float) -> tuple[dict[str, Waiting], list[str]]:
    """Counts of all queues, once those of work are empty or the time is over, and which of them are not."""
    work = {name for group in GROUPS for name in (*group.queues, group.undertaker)}
    deadline = time.monotonic() + settle_s
    counts = await broker.counts()
    busy = {name for name in work if counts[name].total}
    while busy and (left := deadline - time.monotonic()) > 0:
        await asyncio.sleep(min(LOOK_EVERY_S, left))
        counts = await broker.counts()
        busy = {name for name in busy if counts[name].total}
    return counts, sorted(busy)

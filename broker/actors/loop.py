"""The commit loop: one a worker, for all the partitions that it owns.

    drain what waits -> load each collection once -> apply in order, pure -> one transaction -> ack, publish, reply

A batch grows with the load: whatever arrived while the last one was committed is the next one. Measured on 2 cores: one
get and save at a time 700 commands/s, batches of 50 in one transaction 6,700/s; eight loops in one process lost 85 % of
their transactions to conflicts on popular titles.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from broker.acks import AckBook
from broker.actors.apply import Decided, HandlerFailed, RetryLater, apply, states_for_waiting
from broker.actors.mailboxes import Mailboxes
from broker.actors.store import TRANSACTION, AlreadyReceived, Fenced, Store
from broker.aftermath import Aftermath
from broker.delivery import Delivery
from broker.faults import (
    CONFLICTS_TOLD,
    DOUBLINGS_MAX,
    UNWRITABLE,
    conflict_delay,
    is_away,
    is_conflict,
    took_too_long,
)
from broker.groups import OrderedGroup
from broker.linger import ENOUGH, linger_s, size_of
from broker.retry import IN_PLACE_LIMIT_S, in_place_delay
from broker.suspicion import Suspicion, is_suspect
from broker.telemetry import IN_PLACE, SILENT, Telemetry, ids_of
from documents.actors import utc_now
from documents.terms import Terms

log = structlog.get_logger(__name__)

BATCH_MAX = 200
PAUSE_MAX_S = 2.0
# The documents are read in the transaction that writes them, so a fence is a new document that somebody else made
# meanwhile: the next attempt finds it. One that keeps failing breaks another unique key, and that is its own fault.
FENCES_MAX = 3
NOT_WRITTEN: Final = "could not be written"

Parts = deque[list[Delivery]]


class CommitLoop:
    """Works off mailboxes. `healthy` is False while the database is away: deliveries wait, no attempt is spent."""

    def __init__(
        self,
        database: AsyncDatabase[dict[str, object]],
        groups: Sequence[OrderedGroup],
        terms: Terms,
        acks: AckBook,
        aftermath: Aftermath,
        suspicion: Suspicion,
        *,
        batch_max: int = BATCH_MAX,
        in_place_limit_s: float = IN_PLACE_LIMIT_S,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self.mailboxes = Mailboxes()
        self.healthy = True
        self._groups: Mapping[str, OrderedGroup] = {group.name: group for group in groups}
        self._store = Store(database, self._groups)
        self._terms = terms
        self._acks = acks
        self._aftermath = aftermath
        self._suspicion = suspicion
        self._batch_max = batch_max
        self._in_place_limit_s = in_place_limit_s
        self._telemetry = telemetry
        self._idle = asyncio.Event()
        self._idle.set()

    def deliver(self, delivery: Delivery) -> None:
        """Puts a delivery into its mailbox."""
        self._acks.opened(delivery)
        self._telemetry.received(delivery)
        self.mailboxes.put(delivery)
        if self.mailboxes.ready:
            self._idle.clear()

    async def run(self) -> None:
        """Works until cancelled; a batch that is under way is then given back by the broker.

        One session for all batches: a transaction that a lost connection left open at the server, with its documents
        locked, ends there when the next one of the same session begins.
        """
        async with self._store.client.start_session() as session:
            await self._take(session)

    async def _take(self, session: AsyncClientSession) -> None:
        size = 0
        while True:
            await self.mailboxes.arrived()
            self._idle.clear()
            if wait_s := linger_s(size, self.mailboxes.ready):
                await self.mailboxes.gathered(ENOUGH, wait_s)
            batch = await self.mailboxes.take(size_of(self.mailboxes.ready, self._batch_max))
            size = len(batch)
            now = asyncio.get_running_loop().time()
            for each in batch:
                each.taken_at = now
            # Deliveries of a channel that is gone come again: working them off would cost, not harm.
            await self._work([each for each in batch if not each.gone], session)
            if not self.mailboxes.ready:
                self._idle.set()

    async def drained(self) -> None:
        """Returns once the last batch is committed and nothing is left to take; mailboxes that wait may still."""
        await self._idle.wait()

    async def _work(self, batch: list[Delivery], session: AsyncClientSession) -> None:
        """Brings a batch to its end, whatever it takes: redone, postponed, paused or split."""
        parts: Parts = deque([batch])
        look_up = any(each.raw.redelivered for each in batch)
        conflicts = fences = pauses = 0
        while parts:
            if not parts[0]:
                parts.popleft()
                continue
            try:
                decided = await self._commit(parts[0], session, look_up=look_up)
            except AlreadyReceived:
                look_up = True
            except Fenced as fence:
                look_up = True
                fences += 1
                log.info("batch.fenced", size=len(parts[0]), reason=str(fence))
                if fences > FENCES_MAX:
                    fences = 0
                    self._isolate(parts, fence)
            except HandlerFailed as failed:
                log.error("handler.failed", **ids_of(failed.delivery), exc_info=failed.error)
                failed.delivery.fail("handler raised", failed.error)
            except RetryLater as later:
                self._postpone(parts, later)
            except UNWRITABLE as error:
                if is_conflict(error):
                    conflicts = await self._step_aside(parts, conflicts, error)
                elif is_away(error):
                    look_up = True
                    pauses = await self._pause(parts, pauses, error)
                else:
                    self._isolate(parts, error)
            else:
                self.healthy = True
                conflicts = fences = pauses = 0
                parts.popleft()
                await self._aftermath.settle(decided.answers, decided.rows, decided.states)
                await self._suspicion.clear(batch[0])

    async def _commit(
        self, batch: Sequence[Delivery], session: AsyncClientSession, *, look_up: bool
    ) -> Decided:
        """One attempt. Documents are loaded inside the transaction, so that a retry sees them afresh."""
        if len(batch) == 1 and is_suspect(batch[0]):
            await self._acks.send()  # what is finished is not to come again with it
            await self._suspicion.note(batch[0])
        with self._telemetry.round("ordered", batch) as told, told.transaction():
            async with await session.start_transaction(**TRANSACTION):
                loaded = await self._store.load(batch, session, look_up=look_up)
                decided = apply(batch, loaded, self._groups, self._terms, utc_now())
                await self._store.write(loaded, decided, session)
        decided.states = states_for_waiting(decided, loaded)
        return decided

    def _postpone(self, parts: Parts, later: RetryLater) -> None:
        """Lets that one actor's mailbox wait, with all of it that this batch holds; the others go on."""
        head = later.delivery
        now = asyncio.get_running_loop().time()
        if head.give_up_at is None:
            head.give_up_at = now + self._in_place_limit_s
        head.first_failed_at = head.first_failed_at or utc_now().isoformat()
        behind = parts[0][parts[0].index(head) + 1 :] + [each for part in list(parts)[1:] for each in part]
        followers = [each for each in behind if each.actor == head.actor]
        held = 1 + len(followers) + self.mailboxes.behind(head)
        if now >= head.give_up_at or held > self.mailboxes.parked_max:
            head.fail("attempts spent", later.error)
            return
        head.attempts += 1
        self._telemetry.retried(head, IN_PLACE, later.error)
        head.due = now + in_place_delay(head.attempts)
        self.mailboxes.postpone(head, followers)
        waiting = {id(head), *map(id, followers)}
        for part in parts:
            part[:] = [each for each in part if id(each) not in waiting]

    async def _step_aside(self, parts: Parts, conflicts: int, error: Exception) -> int:
        """Another transaction was in the way, or this one took too long, and is redone in halves."""
        conflicts += 1
        halved = took_too_long(error) and self._halve(parts, error)
        if not halved and conflicts % CONFLICTS_TOLD == 0:
            log.warning("batch.conflicts", size=len(parts[0]), conflicts=conflicts, error=str(error))
        await asyncio.sleep(conflict_delay(conflicts))
        return conflicts

    async def _pause(self, parts: Parts, pauses: int, error: BaseException) -> int:
        """The database is away: everything waits, nothing counts as an attempt; what was given back is let go."""
        if self.healthy:
            log.warning("database.away", error=str(error))
        self.healthy = False
        await asyncio.sleep(min(PAUSE_MAX_S, 0.1 * 2.0 ** min(pauses, DOUBLINGS_MAX)))
        for part in parts:
            part[:] = [each for each in part if not each.gone]
        return pauses + 1

    def _isolate(self, parts: Parts, error: Exception) -> None:
        """Halves what fails for a reason of its own until the one bad message stands alone, and then fails it.

        Raises the error where not even its receipt can be written: then it is not the message, and nobody must guess.
        """
        if self._halve(parts, error):
            return
        batch = parts.popleft()
        if batch[0].reason == NOT_WRITTEN:
            raise error
        batch[0].fail(NOT_WRITTEN, error)
        parts.appendleft(batch)

    def _halve(self, parts: Parts, error: Exception) -> bool:
        """Whether the first part held more than one message, and is two now."""
        size = len(parts[0])
        if size == 1:
            return False
        log.warning("batch.split", size=size, error=str(error))
        batch = parts.popleft()
        parts.extendleft((batch[size // 2 :], batch[: size // 2]))
        return True

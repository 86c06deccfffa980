"""The commit loop: one a worker, for all the partitions that it owns.

    drain what waits -> load each collection once -> apply in order, pure -> one transaction -> ack, publish, reply

A batch grows with the load: whatever arrived while the last one was committed is the next one. Measured on 2 cores: one
get and save at a time 700 commands/s, batches of 50 in one transaction 6,700/s; eight loops in one process lost 85 % of their
transactions to conflicts on popular titles.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    AutoReconnect,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
)

from broker.acks import AckBook
from broker.actors.apply import Decided, HandlerFailed, RetryLater, apply
from broker.actors.mailboxes import Mailboxes
from broker.actors.store import TRANSACTION, AlreadyReceived, Fenced, Store
from broker.aftermath import Aftermath
from broker.delivery import Delivery
from broker.groups import OrderedGroup
from broker.retry import IN_PLACE_LIMIT_S, in_place_delay
from documents.actors import utc_now
from documents.terms import Terms

log = structlog.get_logger(__name__)

BATCH_MAX = 200
PAUSE_MAX_S = 2.0


class CommitLoop:
    """Works off mailboxes. `healthy` is False while the database is away: deliveries wait, no attempt is spent."""

    def __init__(
        self,
        database: AsyncDatabase[dict[str, object]],
        groups: Sequence[OrderedGroup],
        terms: Terms,
        acks: AckBook,
        aftermath: Aftermath,
        *,
        batch_max: int = BATCH_MAX,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.mailboxes = Mailboxes()
        self.healthy = True
        self._groups: Mapping[str, OrderedGroup] = {group.name: group for group in groups}
        self._store = Store(database, self._groups)
        self._terms = terms
        self._acks = acks
        self._aftermath = aftermath
        self._batch_max = batch_max
        self._observe = observe
        self._idle = asyncio.Event()
        self._idle.set()

    def deliver(self, delivery: Delivery) -> None:
        """Puts a delivery into its mailbox."""
        self._acks.opened(delivery.raw)
        self.mailboxes.put(delivery)

    async def run(self) -> None:
        """Works until cancelled; a batch that is under way is then given back by the broker."""
        while True:
            batch = await self.mailboxes.take(self._batch_max)
            self._idle.clear()
            try:
                # Deliveries of a channel that is gone come again: working them off would cost, not harm.
                await self._work([each for each in batch if not each.raw.channel.is_closed])
            finally:
                self._idle.set()

    async def drained(self) -> None:
        """Returns once every mailbox is empty and the last batch is committed."""
        while len(self.mailboxes) or not self._idle.is_set():
            await self._idle.wait()
            await asyncio.sleep(0)

    async def _work(self, batch: list[Delivery]) -> None:
        """Brings a batch to its end, whatever it takes: redone, postponed, paused or split."""
        look_up = any(each.raw.redelivered for each in batch)
        pauses = 0
        while batch:
            try:
                decided = await self._commit(batch, look_up=look_up)
            except AlreadyReceived:
                look_up = True
            except Fenced as fence:
                look_up = True
                log.info("batch.fenced", size=len(batch), reason=str(fence))
            except HandlerFailed as failed:
                log.error("handler.failed", message=str(failed), exc_info=failed.error)
                failed.delivery.fail("handler raised", failed.error)
            except RetryLater as later:
                batch = self._postpone(batch, later)
            except (PyMongoError, DuplicateKeyError) as error:
                if is_conflict(error):
                    continue
                if is_away(error):
                    pauses = await self._pause(pauses, error)
                elif len(batch) > 1:
                    await self._split(batch, error)
                    return
                else:
                    batch[0].fail("could not be written", error)
            else:
                self.healthy = True
                self._observe(len(batch))
                await self._aftermath.settle(decided.answers, decided.rows)
                return

    async def _commit(self, batch: Sequence[Delivery], *, look_up: bool) -> Decided:
        """One attempt. Documents are loaded inside the transaction, so that a retry sees them afresh."""
        async with self._store.client.start_session() as session, await session.start_transaction(**TRANSACTION):
            loaded = await self._store.load(batch, session, look_up=look_up)
            decided = apply(batch, loaded, self._groups, self._terms, utc_now())
            await self._store.write(loaded, decided, session)
        return decided

    def _postpone(self, batch: list[Delivery], later: RetryLater) -> list[Delivery]:
        """Lets that one actor's mailbox wait; returns the rest of the batch."""
        head = later.delivery
        now = asyncio.get_running_loop().time()
        head.give_up_at = head.give_up_at or now + IN_PLACE_LIMIT_S
        head.attempts += 1
        head.first_failed_at = head.first_failed_at or utc_now().isoformat()
        if now >= head.give_up_at:
            head.fail("attempts spent", later.error)
            return batch
        head.due = now + in_place_delay(head.attempts)
        followers = [each for each in batch[batch.index(head) + 1 :] if each.actor == head.actor]
        self.mailboxes.postpone(head, followers)
        waiting = {id(head), *map(id, followers)}
        return [each for each in batch if id(each) not in waiting]

    async def _pause(self, pauses: int, error: PyMongoError) -> int:
        """The database is away: everything waits, nothing counts as an attempt."""
        if self.healthy:
            log.warning("database.away", error=str(error))
        self.healthy = False
        await asyncio.sleep(min(PAUSE_MAX_S, 0.1 * 2.0**pauses))
        return pauses + 1

    async def _split(self, batch: list[Delivery], error: PyMongoError) -> None:
        """Halves a batch that fails for a reason of its own until the one bad message stands alone."""
        log.warning("batch.split", size=len(batch), error=str(error))
        middle = len(batch) // 2
        await self._work(batch[:middle])
        await self._work(batch[middle:])


def is_conflict(error: PyMongoError) -> bool:
    """A write conflict with another transaction: redone at once, no attempt spent.

    (MongoDB manual, "Production Considerations", TransientTransactionError.) A lost connection carries the label too, and
    is not one.
    """
    return error.has_error_label("TransientTransactionError") and isinstance(error, OperationFailure) and error.code == 112


def is_away(error: PyMongoError) -> bool:
    """The database does not answer, changes its primary, or cannot reach a majority: it will be back."""
    return (
        isinstance(error, ConnectionFailure | AutoReconnect | ExecutionTimeout)
        or error.has_error_label("TransientTransactionError")
        or error.has_error_label("UnknownTransactionCommitResult")
        or error.has_error_label("RetryableWriteError")
        or error.timeout
    )

"""Unordered groups: several messages at a time, each with the outside world in between.

A handler may call out; what it decided is committed with its receipt afterwards. What may be tried again waits in the
group's retry queues, attempts counted in our own header; what is spent or broken becomes a dead letter.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from pymongo.errors import PyMongoError

from broker.acks import AckBook
from broker.actors.store import AlreadyReceived, Fenced
from broker.aftermath import Aftermath
from broker.delivery import ATTEMPTS_HEADER, FIRST_FAILED_HEADER, Delivery, Reason
from broker.ending import end
from broker.faults import is_away, is_conflict
from broker.groups import A, Effects, Transient, UnorderedGroup
from broker.linger import Patience
from broker.messages import Envelope, UnknownMessage
from broker.outbox import Row
from broker.outcomes import (
    ReceiptRow,
    blank_receipt,
    fail,
    follow_rows,
    key_of,
    refuse_expired,
    reject,
    succeed,
    supersede,
)
from broker.publish import BrokerUnavailable, OutcomeUnknown, Publisher, Unroutable
from broker.retry import Delayed
from broker.superseding import supersedes
from broker.suspicion import Suspicion, is_suspect
from broker.telemetry import HANDLED, SILENT, Span, Telemetry
from broker.topology import RETRY_TIERS, RetryTier
from broker.units import GroupCommit, Unit
from documents.actors import Actor, utc_now
from documents.operations import Receipt
from documents.refusals import Refusal
from documents.terms import Terms

log = structlog.get_logger(__name__)

LAST_ERROR_HEADER = "x-quire-last-error"
LAST_ERROR_LENGTH_MAX = 500
FENCED_MAX = 5
PAUSE_S = 1.0


@dataclass(slots=True)
class Work:
    """What an unordered handler has at hand; see `broker.groups.WorkDesk`."""

    envelope: Envelope
    now: datetime
    terms: Terms
    commits: GroupCommit
    span: Span | None = None

    async def load(self, kind: type[A], key: str) -> A | None:
        """The actor as the database has it."""
        raw = await self.commits.loads.get(kind, key)
        return kind.loaded(raw) if raw is not None else None

    def sign(self, changed: tuple[Actor, ...]) -> None:
        """Has actors note the message that changed them."""
        for actor in changed:
            actor.caused_by(self.envelope.id)

    async def save(self, *actors: Actor) -> None:
        """Writes changed actors now. Raises `Fenced` where another owner was faster: the handler starts again."""
        changed = tuple(actor for actor in actors if actor.changed)
        if changed:
            self.sign(changed)
            await self.commits.commit(Unit(actors=changed, span=self.span))
            for actor in changed:
                actor.saved()


class Worker:
    """Works off one unordered group. `died` is told of an error that nothing here can mend."""

    def __init__(
        self,
        group: UnorderedGroup,
        terms: Terms,
        commits: GroupCommit,
        publisher: Publisher,
        acks: AckBook,
        aftermath: Aftermath,
        suspicion: Suspicion,
        *,
        died: Callable[[BaseException], None],
        telemetry: Telemetry = SILENT,
        tiers: tuple[RetryTier, ...] = RETRY_TIERS,
    ) -> None:
        self._group = group
        self._terms = terms
        self._commits = commits
        self._publisher = publisher
        self._acks = acks
        self._aftermath = aftermath
        self._suspicion = suspicion
        self._died = died
        self._telemetry = telemetry
        self._policy = Delayed(group.attempts_max, tiers)
        self._room = asyncio.Semaphore(group.concurrency)
        self._tasks: dict[asyncio.Task[None], Delivery] = {}
        self._patient = Patience(group.patience_s, self._begin)

    def deliver(self, delivery: Delivery) -> None:
        """Starts on a delivery, or lets it wait for company; the prefetch bounds how many there are."""
        self._acks.opened(delivery)
        self._telemetry.received(delivery)
        if (
            delivery.raw.reply_to or delivery.failure is not None
        ):  # an undertaker's queue brings one at a time
            self._begin(delivery)
        else:
            self._patient.put(delivery)

    def _begin(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._work(delivery))
        self._tasks[task] = delivery
        task.add_done_callback(self._done)

    @property
    def held(self) -> tuple[Delivery, ...]:
        """What was delivered and is not settled."""
        return (*self._tasks.values(), *self._patient)

    async def finished(self) -> None:
        """Returns once everything that was delivered is done; nothing waits for company any more."""
        while self._patient or self._tasks:
            self._patient.release()
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Drops what is under way: the broker gives it back."""
        self._patient.drop()
        await end(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._died(error)

    async def _work(self, delivery: Delivery) -> None:
        """Attempts until it is settled, goes to wait, or belongs to somebody else."""
        HANDLED.set(delivery)  # this task's own
        async with self._suspicion.alone(delivery), self._room:
            delivery.taken_at = asyncio.get_running_loop().time()
            while not delivery.gone:
                try:
                    if is_suspect(delivery):
                        await self._acks.send()  # what is finished is not to come again with it
                    await self._suspicion.note(delivery)
                    await self._attempt(delivery)
                except (Transient, Fenced) as error:
                    tier = self._policy.next(delivery.attempts + 1)
                    if tier is not None:
                        await self._later(delivery, tier, error)
                        return
                    self._give_up(delivery, "attempts spent", error)
                except PyMongoError as error:
                    # Of a read: what is written waits for the database by itself. No attempt is spent.
                    if is_away(error) or is_conflict(error):
                        await self._commits.until_there(error)
                    else:
                        self._give_up(delivery, "could not be written", error)
                except Exception as error:
                    log.error("handler.failed", exc_info=error)
                    self._give_up(delivery, "handler raised", error)
                else:
                    return

    def _give_up(self, delivery: Delivery, reason: Reason, error: Exception) -> None:
        """The next round buries it. Raises the error where that was this round: then it is not the message."""
        if delivery.failure is not None:
            raise error
        delivery.fail(reason, error)

    async def _attempt(self, delivery: Delivery) -> None:
        """One attempt; one that lost a race to another owner starts again at once, a few times."""
        refuse_expired(delivery, utc_now())
        if delivery.failure is not None or delivery.message is None:
            await self._bury(delivery)
            return
        # A second delivery, or a copy whose original may have been worked off after all.
        again = delivery.raw.redelivered or delivery.attempts > 0 or delivery.replay is not None
        known = await self._known(delivery) if again else None
        if known is not None and not supersedes(delivery, known):
            await self._aftermath.settle([(delivery, known)], [])
            return
        handler = self._group.handlers.get(type(delivery.message))
        if handler is None:
            raise UnknownMessage(f"{self._group.name} has no handler for {delivery.envelope.type}")
        for left in reversed(range(FENCED_MAX)):
            work = Work(delivery.envelope, utc_now(), self._terms, self._commits, delivery.span)
            try:
                await self._decide(handler(delivery.message, work), delivery, work, known)
            except Fenced:
                if not left:
                    raise
            else:
                return

    async def _decide(
        self, handling: Awaitable[Effects], delivery: Delivery, work: Work, failed: ReceiptRow | None
    ) -> None:
        """Awaits the handler and commits what it decided, in one transaction with its receipt.

        `failed` is the receipt that a replay may supersede.
        """
        receipt = blank_receipt(delivery, work.now)
        if delivery.replay is not None and failed is not None:
            supersede(receipt, failed, delivery.replay)
        rows: list[Row] = []
        changed: tuple[Actor, ...] = ()
        try:
            effects = await handling
        except Refusal as refusal:
            if delivery.is_event:
                raise Transient(str(refusal)) from refusal
            reject(receipt, refusal)
        else:
            succeed(receipt, effects)
            changed = tuple(actor for actor in (*effects.saved, *effects.created) if actor.changed)
            work.sign(changed)
            rows = follow_rows(delivery, effects)
        await self._commit(delivery, receipt, rows, changed)

    async def _commit(
        self, delivery: Delivery, receipt: ReceiptRow, rows: list[Row], changed: tuple[Actor, ...] = ()
    ) -> None:
        """Writes an outcome and what follows from it; where another delivery was first, only repeats its answer."""
        try:
            await self._commits.commit(Unit(changed, receipt, tuple(rows), delivery.span))
        except AlreadyReceived:
            known = await self._known(delivery)
            if known is None:
                raise
            await self._aftermath.settle([(delivery, known)], [])
        else:
            await self._aftermath.settle([(delivery, receipt)], rows)

    async def _later(self, delivery: Delivery, tier: RetryTier, error: Exception) -> None:
        """Puts a copy into a retry tier, confirmed, and then acks the original: it can double, never vanish."""
        attempts = delivery.attempts + 1
        first = delivery.first_failed_at or utc_now().isoformat()
        last = f"{type(error).__name__}: {error}"[:LAST_ERROR_LENGTH_MAX]
        past = delivery.replay.headers if delivery.replay is not None else {}
        headers = {**past, ATTEMPTS_HEADER: attempts, FIRST_FAILED_HEADER: first, LAST_ERROR_HEADER: last}
        log.info("message.later", tier=tier.name, error=last)
        while not delivery.gone:  # else it is delivered again
            try:
                await self._publisher.publish_body(
                    delivery.raw.body,
                    "",
                    delivery.group.retry(tier),
                    message_id=delivery.envelope.id,
                    type=delivery.envelope.type,
                    correlation_id=delivery.envelope.correlation_id,
                    reply_to=delivery.raw.reply_to,
                    headers=headers,
                    bytes_max=None,
                )
            except (BrokerUnavailable, OutcomeUnknown, Unroutable) as refused:
                log.warning("message.held", tier=tier.name, error=str(refused))
                await asyncio.sleep(PAUSE_S)
            else:
                await self._acks.done([delivery])
                self._telemetry.retried(delivery, tier.name, error)
                return

    async def _bury(self, delivery: Delivery) -> None:
        """The receipt says failed, and the letter leaves with it."""
        now = utc_now()
        receipt = blank_receipt(delivery, now)
        known = await self._known(delivery) if delivery.replay is not None else None
        if delivery.replay is not None and known is not None and supersedes(delivery, known):
            supersede(receipt, known, delivery.replay)
        row = fail(receipt, delivery, now)
        await self._commit(delivery, receipt, [row])

    async def _known(self, delivery: Delivery) -> ReceiptRow | None:
        return await Receipt.get_pymongo_collection().find_one({"_id": key_of(delivery)})

"""Unordered groups: several messages at a time, each with the outside world in between.

A handler may call out; what it decided is committed with its receipt afterwards. What may be tried again waits in the
group's retry queues, attempts counted in our own header; what is spent or broken becomes a dead letter.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog

from broker.acks import AckBook
from broker.actors.apply import ReceiptRow, blank_receipt
from broker.actors.store import AlreadyReceived, Fenced
from broker.aftermath import Aftermath
from broker.dead import dead_letter, failure_problem
from broker.delivery import ATTEMPTS_HEADER, FIRST_FAILED_HEADER, Delivery
from broker.groups import A, Effects, Follow, Transient, UnorderedGroup
from broker.messages import Envelope, UnknownMessage
from broker.outbox import Row, follow_up, row_of
from broker.publish import BrokerUnavailable, OutcomeUnknown, Publisher
from broker.retry import Delayed
from broker.units import GroupCommit, Unit
from documents.actors import Actor, utc_now
from documents.operations import Outcome, Receipt, receipt_id
from documents.refusals import Refusal
from documents.terms import Terms

log = structlog.get_logger(__name__)

LAST_ERROR_HEADER = "x-quire-last-error"
FENCED_MAX = 5


@dataclass(slots=True)
class Work:
    """What an unordered handler has at hand; see `broker.groups.WorkDesk`."""

    envelope: Envelope
    now: datetime
    terms: Terms
    commits: GroupCommit

    async def load(self, kind: type[A], key: str) -> A | None:
        """The actor as the database has it."""
        raw = await kind.get_pymongo_collection().find_one({"_id": key})
        return kind.loaded(raw) if raw is not None else None

    async def save(self, *actors: Actor) -> None:
        """Writes changed actors now. Raises `Fenced` where another owner was faster: the handler starts again."""
        changed = tuple(actor for actor in actors if actor.changed)
        if changed:
            await self.commits.commit(Unit(actors=changed))
            for actor in changed:
                actor.saved()


class Worker:
    """Works off one unordered group."""

    def __init__(
        self,
        group: UnorderedGroup,
        terms: Terms,
        commits: GroupCommit,
        publisher: Publisher,
        acks: AckBook,
        aftermath: Aftermath,
    ) -> None:
        self._group = group
        self._terms = terms
        self._commits = commits
        self._publisher = publisher
        self._acks = acks
        self._aftermath = aftermath
        self._policy = Delayed(group.attempts_max)
        self._room = asyncio.Semaphore(group.concurrency)
        self._tasks: set[asyncio.Task[None]] = set()

    def deliver(self, delivery: Delivery) -> None:
        """Starts on a delivery; the prefetch bounds how many there are."""
        self._acks.opened(delivery.raw)
        task = asyncio.create_task(self._work(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finished(self) -> None:
        """Returns once everything under way is done."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _work(self, delivery: Delivery) -> None:
        async with self._room:
            try:
                await self._attempt(delivery)
            except (Transient, Fenced) as error:
                await self._later(delivery, error)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.error("handler.failed", message=delivery.envelope.id, type=delivery.envelope.type, exc_info=error)
                delivery.fail("handler raised", error)
                await self._bury(delivery)

    async def _attempt(self, delivery: Delivery) -> None:
        """One attempt; one that lost a race to another owner starts again at once, a few times."""
        if delivery.message is None:
            await self._bury(delivery)
            return
        if delivery.raw.redelivered and (receipt := await self._known(delivery)) is not None:
            await self._aftermath.settle([(delivery, receipt)], [])
            return
        handler = self._group.handlers.get(type(delivery.message))
        if handler is None:
            raise UnknownMessage(f"{self._group.name} has no handler for {delivery.envelope.type}")
        for last in (False,) * (FENCED_MAX - 1) + (True,):
            work = Work(delivery.envelope, utc_now(), self._terms, self._commits)
            try:
                receipt, rows = await self._decide(handler(delivery.message, work), delivery, work)
            except Fenced:
                if last:
                    raise
            else:
                await self._aftermath.settle([(delivery, receipt)], rows)
                return

    async def _decide(self, handling, delivery: Delivery, work: Work) -> tuple[ReceiptRow, list[Row]]:  # type: ignore[no-untyped-def]
        receipt = blank_receipt(delivery, self._key(delivery), work.now)
        rows: list[Row] = []
        saved: tuple[Actor, ...] = ()
        try:
            effects: Effects = await handling
        except Refusal as refusal:
            if delivery.is_event:
                raise Transient(str(refusal)) from refusal
            receipt["status"] = Outcome.REJECTED.value
            receipt["problem"] = {"code": refusal.code, "detail": refusal.message, **refusal.details}
        else:
            receipt["status"] = Outcome.SUCCEEDED.value
            receipt["resource"] = effects.resource
            receipt["result"] = effects.result
            saved = tuple(actor for actor in (*effects.saved, *effects.created) if actor.changed)
            rows = _rows(delivery.envelope, effects)
        return await self._commit(delivery, Unit(saved, receipt, tuple(rows))), rows

    async def _commit(self, delivery: Delivery, unit: Unit) -> ReceiptRow:
        try:
            await self._commits.commit(unit)
        except AlreadyReceived:
            known = await self._known(delivery)
            if known is None:
                raise
            return known
        assert unit.receipt is not None
        return unit.receipt

    async def _later(self, delivery: Delivery, error: Exception) -> None:
        """Puts a copy into the next retry tier, confirmed, and then acks the original: it can double, never vanish."""
        attempts = delivery.attempts + 1
        tier = self._policy.next(attempts)
        if tier is None:
            delivery.fail("attempts spent", error)
            await self._bury(delivery)
            return
        first = delivery.first_failed_at or utc_now().isoformat()
        headers = {ATTEMPTS_HEADER: attempts, FIRST_FAILED_HEADER: first, LAST_ERROR_HEADER: str(error)[:500]}
        log.info("message.later", message=delivery.envelope.id, type=delivery.envelope.type, tier=tier.name, error=str(error))
        while True:
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
                )
            except (BrokerUnavailable, OutcomeUnknown):
                if delivery.raw.channel.is_closed:
                    return  # it will be delivered again
                await asyncio.sleep(1)
            else:
                await self._acks.done([delivery.raw])
                return

    async def _bury(self, delivery: Delivery) -> None:
        """The receipt says failed, and the letter leaves with it."""
        now = utc_now()
        receipt = blank_receipt(delivery, self._key(delivery), now)
        receipt["status"] = Outcome.FAILED.value
        receipt["problem"] = failure_problem(delivery)
        row = dead_letter(delivery, now)
        known = await self._commit(delivery, Unit((), receipt, (row,)))
        await self._aftermath.settle([(delivery, known)], [row] if known is receipt else [])

    def _key(self, delivery: Delivery) -> str:
        return receipt_id(delivery.group.name, delivery.envelope.id)

    async def _known(self, delivery: Delivery) -> ReceiptRow | None:
        return await Receipt.get_pymongo_collection().find_one({"_id": self._key(delivery)})


def _rows(cause: Envelope, effects: Effects) -> list[Row]:
    rows = []
    for number, each in enumerate(effects.messages):
        message = each.message if isinstance(each, Follow) else each
        rows.append(row_of(follow_up(cause, message, number), message))
    return rows

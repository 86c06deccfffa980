"""What follows a commit: acks, which wait a moment for company; the answers for those who wait; the messages decided.

All of it is repeatable: an ack that is lost brings the message again and its receipt answers; a row that is not
published stays for the relay; an answer that is lost costs its sender a look-up.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import structlog

from broker.acks import AckBook
from broker.delivery import Delivery
from broker.ending import end
from broker.outbox import Outbox, Row
from broker.outcomes import ReceiptRow, ends_operation
from broker.publish import Publisher
from broker.replies import ENCODER, Reply
from broker.telemetry import SILENT, Telemetry

log = structlog.get_logger(__name__)

UNDER_WAY_MAX = 8  # batches
NO_STATES: Mapping[str, bytes] = MappingProxyType({})


class Aftermath:
    """Ends committed deliveries. Publishing runs beside the next batch, a bounded number of batches behind."""

    def __init__(
        self, publisher: Publisher, outbox: Outbox, acks: AckBook, telemetry: Telemetry = SILENT
    ) -> None:
        self._publisher = publisher
        self._outbox = outbox
        self._acks = acks
        self._telemetry = telemetry
        self._room = asyncio.Semaphore(UNDER_WAY_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    async def settle(
        self,
        answers: Sequence[tuple[Delivery, ReceiptRow]],
        rows: Sequence[Row],
        states: Mapping[str, bytes] = NO_STATES,
    ) -> None:
        """Acks; publishes and answers in the background, waiting only while too much of that is under way.

        `states` are committed documents (BSON) by the name of the resource, for those who wait.
        """
        await self._acks.done(delivery for delivery, _ in answers)
        self._telemetry.settled(answers)
        waiting = [(delivery, receipt) for delivery, receipt in answers if delivery.raw.reply_to]
        if rows or waiting:
            await self._room.acquire()
            task = asyncio.create_task(self._follow_up(waiting, rows, states))
            self._tasks.add(task)
            task.add_done_callback(self._done)
            await asyncio.sleep(0)  # answers leave before the next batch is begun

    async def finished(self) -> None:
        """Returns once everything under way is done."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Drops what is under way: the relay sends the rows, and those who wait look at the receipts."""
        await end(self._tasks)

    async def _follow_up(
        self,
        waiting: Sequence[tuple[Delivery, ReceiptRow]],
        rows: Sequence[Row],
        states: Mapping[str, bytes],
    ) -> None:
        by_edge: dict[str, list[Reply]] = {}
        for delivery, receipt in waiting:
            # A step leaves the answer to the one that ends the operation.
            if delivery.raw.reply_to and ends_operation(receipt):
                reply = reply_of(delivery, receipt, states.get(receipt["resource"] or ""))
                by_edge.setdefault(delivery.raw.reply_to, []).append(reply)
        for queue, replies in by_edge.items():
            await self._publisher.reply(queue, ENCODER.encode(replies))
        await self._outbox.send(rows)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("aftermath.failed", error=repr(error), exc_info=error)  # the relay repeats what is left


def reply_of(delivery: Delivery, receipt: ReceiptRow, state: bytes | None) -> Reply:
    """The answer for whoever waits for this message's operation."""
    group, _, message_id = (delivery.envelope.operation or receipt["_id"]).partition("/")
    return Reply(
        group=group,
        message_id=message_id,
        status=receipt["status"],
        fingerprint=receipt["fingerprint"],
        resource=receipt["resource"],
        rev=receipt["rev"],
        result=receipt["result"],
        problem=receipt["problem"],
        state=state,
    )

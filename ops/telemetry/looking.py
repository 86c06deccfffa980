"""What a worker looks up from time to time: the outbox, open operations, its queues.

Looked up beside the work and not for each scrape, so that many who scrape cost no more than one. Ages are kept as
moments and grow on while the database is away; a broker that is away leaves no figures rather than old ones.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from math import nan

import structlog
from aio_pika.abc import AbstractRobustConnection
from prometheus_client.core import GaugeMetricFamily
from pymongo.errors import PyMongoError

from broker.connection import Endpoint, connect
from broker.ending import breaks_told
from broker.pulse import BROKEN
from broker.topology import BY_NAME
from documents.operations import Outcome, Receipt
from documents.outbox import OutboxRow

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 10.0
ANSWER_WITHIN_S = 5.0


class Looking:
    """Looks at what the groups of one worker leave behind. `run` it beside the work."""

    def __init__(self, endpoint: Endpoint, groups: Sequence[str], *, name: str) -> None:
        self.pending_since: datetime | None = None
        self._outbox_since: datetime | None = None
        self._outbox_rows = nan
        self._endpoint = endpoint
        self._name = f"{name} looks"
        self._queues = tuple(
            queue
            for group in groups
            for queue in (*BY_NAME[group].queues, BY_NAME[group].undertaker, BY_NAME[group].dead)
        )
        self._counted: dict[str, tuple[int, int]] = {}
        self._connection: AbstractRobustConnection | None = None

    async def run(self) -> None:
        """Looks until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            if self._connection is not None:
                await self._connection.close()

    async def look(self) -> None:
        """Looks once at everything; what is away is left for the next time."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._database()
        except (PyMongoError, TimeoutError) as error:
            log.info("looking.later", at="database", error=repr(error))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                with breaks_told():
                    self._counted = await self._broker()
        except (*BROKEN, TimeoutError) as error:
            self._counted = {}
            log.info("looking.later", at="broker", error=repr(error))

    async def _database(self) -> None:
        outbox = OutboxRow.get_pymongo_collection()
        oldest = await outbox.find_one({}, {"created_at": 1}, sort=[("_id", 1)])  # ids sort by creation
        self._outbox_since = oldest["created_at"] if oldest is not None else None
        self._outbox_rows = await outbox.estimated_document_count()
        pending = await Receipt.get_pymongo_collection().find_one(
            {"status": Outcome.PENDING.value}, {"accepted_at": 1}, sort=[("accepted_at", 1)]
        )
        self.pending_since = pending["accepted_at"] if pending is not None else None

    async def _broker(self) -> dict[str, tuple[int, int]]:
        """Ready messages and consumers, by queue; a queue that is missing closes the channel, and is an error."""
        if self._connection is None:
            self._connection = await connect(self._endpoint, name=self._name)
        channel = await self._connection.channel()
        try:
            wire = await channel.get_underlay_channel()
            counted = {}
            for queue in self._queues:
                found = await wire.queue_declare(queue, passive=True)
                counted[queue] = (found.message_count or 0, found.consumer_count or 0)
            return counted
        finally:
            await channel.close()

    def collect(self, now: datetime) -> Iterator[GaugeMetricFamily]:
        """What was last seen, as Prometheus takes it."""
        age_s = (
            max(0.0, (now - self._outbox_since).total_seconds()) if self._outbox_since is not None else 0.0
        )
        yield GaugeMetricFamily(
            "quire_outbox_rows", "Messages that wait to be published", value=self._outbox_rows
        )
        yield GaugeMetricFamily("quire_outbox_age_seconds", "Age of the oldest of them", value=age_s)
        ready = GaugeMetricFamily("quire_queue_messages", "Messages ready in a queue", labels=["queue"])
        consumers = GaugeMetricFamily(
            "quire_consumers", "Consumers of a queue, of all workers", labels=["queue"]
        )
        for queue in self._queues:
            messages, several = self._counted.get(queue, (nan, nan))
            ready.add_metric([queue], messages)
            consumers.add_metric([queue], several)
        yield ready
        yield consumers

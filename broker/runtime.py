"""A worker: the subscribers of some groups, one commit loop, the outbox relay, in one process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from broker.acks import AckBook
from broker.actors.loop import CommitLoop
from broker.aftermath import Aftermath
from broker.connection import Broker, Endpoint
from broker.consume import ORDERED_PREFETCH, UNDERTAKER_PREFETCH, UNORDERED_PREFETCH, subscribe
from broker.delivery import Delivery
from broker.groups import OrderedGroup, UnorderedGroup
from broker.outbox import RELAY_EVERY_S, Outbox
from broker.publish import Publisher
from broker.topology import BY_NAME
from broker.units import GroupCommit
from broker.work import Worker
from documents.terms import Terms

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 10.0


class GaveUp(Exception):
    """The broker delivered the message as often as the queue's limit allows, and no worker finished it."""


class Runtime:
    """Runs groups against one broker and one database. `start` after Beanie and the topology stand."""

    def __init__(
        self,
        endpoint: Endpoint,
        database: AsyncDatabase[dict[str, Any]],
        groups: Sequence[OrderedGroup | UnorderedGroup],
        terms: Terms,
        *,
        name: str = "worker",
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.publisher = Publisher(endpoint, name=f"{name} publishes")
        self._broker = Broker(endpoint, name=f"{name} consumes", logger=None, apply_types=False)
        self._acks = AckBook()
        self._aftermath = Aftermath(self.publisher, self._acks)
        self._outbox = Outbox(self.publisher)
        self._commits = GroupCommit(database.client)
        ordered = [group for group in groups if isinstance(group, OrderedGroup)]
        self._loop = CommitLoop(database, ordered, terms, self._acks, self._aftermath, observe=observe)
        self._workers: list[Worker] = []
        self._tasks: list[asyncio.Task[None]] = []
        for group in groups:
            self._subscribe(group, terms)

    def _subscribe(self, group: OrderedGroup | UnorderedGroup, terms: Terms) -> None:
        place = BY_NAME[group.name]
        deliver: Callable[[Delivery], None]
        if isinstance(group, OrderedGroup):
            deliver, prefetch = self._loop.deliver, ORDERED_PREFETCH
        else:
            worker = Worker(group, terms, self._commits, self.publisher, self._acks, self._aftermath)
            self._workers.append(worker)
            deliver, prefetch = worker.deliver, UNORDERED_PREFETCH
        for queue in place.queues:
            subscribe(self._broker, place, queue, prefetch, deliver)

        def bury(delivery: Delivery) -> None:
            delivery.fail("delivery limit reached", GaveUp(f"{delivery.envelope.type} {delivery.envelope.id}"))
            delivery.message = None
            deliver(delivery)

        subscribe(self._broker, place, place.undertaker, UNDERTAKER_PREFETCH, bury)

    @property
    def healthy(self) -> bool:
        """Whether broker and database are there; while not, deliveries wait and nothing is spent."""
        return self.publisher.ready and self._loop.healthy and self._commits.healthy

    async def start(self) -> None:
        """Connects and begins to consume."""
        await self.publisher.start()
        self._tasks = [
            asyncio.create_task(self._loop.run(), name="commit loop"),
            asyncio.create_task(self._commits.run(), name="group commit"),
            asyncio.create_task(self.every(RELAY_EVERY_S, self._outbox.relay_once), name="outbox relay"),
        ]
        for task in self._tasks:
            task.add_done_callback(_report)
        await self._broker.start()

    def also(self, every_s: float, work: Callable[[], Awaitable[object]], name: str) -> None:
        """Runs something of the groups' own from time to time, until the stop."""
        task = asyncio.create_task(self.every(every_s, work), name=name)
        task.add_done_callback(_report)
        self._tasks.append(task)

    async def every(self, every_s: float, work: Callable[[], Awaitable[object]]) -> None:
        """Repeats work; a database that is away is waited for."""
        while True:
            try:
                await work()
            except PyMongoError as error:
                log.warning("periodic.later", error=str(error))
            await asyncio.sleep(every_s)

    async def stop(self) -> None:
        """Takes no more, finishes what was delivered, and goes; what is not done in 10 s is given back."""
        for subscriber in self._broker.subscribers:
            await subscriber.stop()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._drained()
        except TimeoutError:
            log.warning("stop.unfinished", waiting=len(self._loop.mailboxes))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._broker.stop()
        await self.publisher.close()

    async def _drained(self) -> None:
        await self._loop.drained()
        for worker in self._workers:
            await worker.finished()
        await self._aftermath.finished()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("task.died", task=task.get_name(), error=repr(error), exc_info=error)

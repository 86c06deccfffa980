"""A worker: the subscribers of some groups, one commit loop, the outbox relay, in one process."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from broker.acks import AckBook
from broker.actors.loop import CommitLoop
from broker.aftermath import Aftermath
from broker.connection import Endpoint
from broker.consume import ORDERED_PREFETCH, UNDERTAKER_PREFETCH, UNORDERED_PREFETCH, Consumer
from broker.delivery import Delivery
from broker.ending import breaks_told, end, together
from broker.groups import OrderedGroup, UnorderedGroup
from broker.outbox import RELAY_EVERY_S, Outbox
from broker.pausing import PAUSE_AFTER_S, Pausing
from broker.publish import CLOSE_WITHIN_S, Publisher
from broker.pulse import BROKEN
from broker.retry import IN_PLACE_LIMIT_S
from broker.subscribing import Broker
from broker.suspicion import Suspicion
from broker.telemetry import SILENT, Telemetry
from broker.topology import BY_NAME, DELIVERY_LIMIT, RETRY_TIERS, RetryTier
from broker.units import GroupCommit
from broker.work import Worker
from documents.terms import Terms

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 10.0
DIED_IN_HEADER = "x-first-death-queue"  # set by the broker when it dead-letters


class GaveUp(Exception):
    """The broker delivered the message as often as the queue's limit allows, and no worker finished it."""


class Died(Exception):
    """A part of the worker ended by an error that it cannot mend: the process is to be started anew."""


class Runtime:
    """Runs groups against one broker and one database. `start` after Beanie and the topology stand.

    `tiers` are the retry queues that the topology was applied with; `in_place_limit_s` bounds how long an actor's
    mailbox waits for a message that is refused in place. `pause_after_s` is how long a database may be away before the
    queues are given back.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        database: AsyncDatabase[dict[str, Any]],
        groups: Sequence[OrderedGroup | UnorderedGroup],
        terms: Terms,
        *,
        name: str = "worker",
        telemetry: Telemetry = SILENT,
        tiers: tuple[RetryTier, ...] = RETRY_TIERS,
        in_place_limit_s: float = IN_PLACE_LIMIT_S,
        relay_every_s: float = RELAY_EVERY_S,
        pause_after_s: float = PAUSE_AFTER_S,
        publisher: Publisher | None = None,
    ) -> None:
        self.publisher = publisher or Publisher(endpoint, name=f"{name} publishes", telemetry=telemetry)
        self._telemetry = telemetry
        self._broker = Broker(endpoint, name=f"{name} consumes", logger=None, apply_types=False)
        self._acks = AckBook()
        self._outbox = Outbox(self.publisher)
        self._aftermath = Aftermath(self.publisher, self._outbox, self._acks, telemetry)
        self._suspicion = Suspicion()
        self._commits = GroupCommit(database.client, telemetry)
        self._loop = CommitLoop(
            database,
            [group for group in groups if isinstance(group, OrderedGroup)],
            terms,
            self._acks,
            self._aftermath,
            self._suspicion,
            telemetry=telemetry,
            in_place_limit_s=in_place_limit_s,
        )
        self._groups = tuple(group.name for group in groups)
        self._outside = {
            group.name: group.outside
            for group in groups
            if isinstance(group, UnorderedGroup) and group.outside is not None
        }
        self._tiers = tiers
        self._relay_every_s = relay_every_s
        self._workers: list[Worker] = []
        self._ordered: list[Consumer] = []
        self._unordered: list[Consumer] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._minders: list[asyncio.Task[None]] = []
        self._death: BaseException | None = None
        self._dead = asyncio.Event()
        self._ending = True  # it has not begun
        for group in groups:
            self._subscribe(group, terms)
        self._pausing = Pausing(database, (self._loop, self._commits), self._consumers, after_s=pause_after_s)

    @property
    def _consumers(self) -> tuple[Consumer, ...]:
        return (*self._ordered, *self._unordered)

    def _subscribe(self, group: OrderedGroup | UnorderedGroup, terms: Terms) -> None:
        place = BY_NAME[group.name]
        deliver: Callable[[Delivery], None]
        if isinstance(group, OrderedGroup):
            deliver, prefetch = self._loop.deliver, ORDERED_PREFETCH
        else:
            worker = Worker(
                group,
                terms,
                self._commits,
                self.publisher,
                self._acks,
                self._aftermath,
                self._suspicion,
                died=self._die,
                telemetry=self._telemetry,
                tiers=self._tiers,
            )
            self._workers.append(worker)
            deliver, prefetch = worker.deliver, UNORDERED_PREFETCH
        consumers = self._ordered if place.ordered else self._unordered
        consumers.extend(Consumer(self._broker, place, queue, prefetch, deliver) for queue in place.queues)

        def bury(delivery: Delivery) -> None:
            """What the broker gave up: its handler is not asked again, it may be what killed the workers."""
            origin = delivery.raw.headers.get(DIED_IN_HEADER)
            delivery.queue = str(origin) if origin else delivery.queue
            delivery.attempts = max(delivery.attempts, DELIVERY_LIMIT)
            delivery.fail(
                "delivery limit reached", GaveUp(f"delivered {DELIVERY_LIMIT + 1} times, never finished")
            )
            delivery.message = None
            delivery.returns = 0  # it is not tried, so there is nothing to suspect
            deliver(delivery)

        self._unordered.append(Consumer(self._broker, place, place.undertaker, UNDERTAKER_PREFETCH, bury))

    @property
    def healthy(self) -> bool:
        """Whether broker and database are there; while not, deliveries wait and nothing is spent."""
        return not self.trouble

    @property
    def trouble(self) -> dict[str, str]:
        """What keeps it from working, by part, in words; empty where it is ready."""
        found = {}
        if self._death is not None:
            found["worker"] = f"ended: {self._death!r}"
        if (why := self.publisher.refusing) is not None:
            found["broker"] = why
        if self._pausing.paused:
            found["database"] = "away: the queues are given back until it answers"
        elif not (self._loop.healthy and self._commits.healthy):
            found["database"] = "away: deliveries wait"
        return found

    @property
    def outgoing(self) -> tuple[str, ...]:
        """The groups that know how the outside world is."""
        return tuple(self._outside)

    @property
    def outside(self) -> dict[str, str]:
        """What is wrong with the outside world, by group; the worker is ready all the same."""
        found = {name: ask() for name, ask in self._outside.items()}
        return {name: trouble for name, trouble in found.items() if trouble is not None}

    @property
    def held(self) -> dict[str, list[Delivery]]:
        """What was delivered and is not settled, by group; of ordered groups without the batch under way."""
        found: dict[str, list[Delivery]] = {name: [] for name in self._groups}
        for delivery in (*self._loop.mailboxes, *(each for worker in self._workers for each in worker.held)):
            found[delivery.group.name].append(delivery)
        return found

    async def start(self) -> None:
        """Connects and begins to consume. Raises what aio-pika raises where the broker is not there: call it again."""
        self._ending = False
        try:
            await self.publisher.start()
            self._run(self._acks.run(), "acks")
            self._run(self._loop.run(), "commit loop")
            self._run(self._commits.run(), "group commit")
            self._run(self.every(self._relay_every_s, self._outbox.relay_once), "outbox relay")
            await self._broker.connect()
            # One that fails ends the others: they would consume on a broker that is closed.
            await together(consumer.open() for consumer in self._consumers)
            self._minders = [self._run(self._pausing.run(), "pausing")]
        except BaseException:
            # In a task of its own: see `unless_stopped` for what time limits do in one that was cancelled.
            closing = asyncio.create_task(self._close())
            await asyncio.wait([closing])
            if (error := closing.exception()) is not None:
                log.error("start.not_closed", error=repr(error), exc_info=error)
            raise

    def also(self, every_s: float, work: Callable[[], Awaitable[object]], name: str) -> None:
        """Runs something of the groups' own from time to time, until the stop."""
        self._run(self.every(every_s, work), name)

    def beside(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Runs something that has a rhythm of its own, until the stop."""
        self._run(work, name)

    async def every(self, every_s: float, work: Callable[[], Awaitable[object]]) -> None:
        """Repeats work; a database that is away is waited for."""
        while True:
            try:
                await work()
            except PyMongoError as error:
                log.warning("periodic.later", error=str(error))
            await asyncio.sleep(every_s)

    async def died(self) -> None:
        """Waits for the death of a part that the worker cannot do without. Raises `Died`; never returns."""
        await self._dead.wait()
        raise Died(f"the worker cannot go on: {self._death!r}") from self._death

    async def stop(self) -> None:
        """Takes no more, finishes what was delivered, and goes; what is not done in 10 s is given back.

        What waits in its mailbox for a later attempt is given back at once. Acks are kept until all is done, so that
        the broker sends no more for nothing: what comes back was delivered once more, and that is counted. One
        that does not run has nothing to stop.
        """
        if self._ending:
            return
        self._ending = True
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                with breaks_told():
                    await self._finish()
        except (*BROKEN, TimeoutError) as error:
            log.warning("stop.unfinished", waiting=len(self._loop.mailboxes), error=repr(error))
        finally:
            await self._close()

    async def _finish(self) -> None:
        await end(self._minders)  # they would open again what is closed here
        for consumer in self._ordered:
            consumer.stop_filing()
        self._acks.hold()
        await asyncio.gather(*(consumer.cancel() for consumer in self._unordered))
        if self._death is None:
            await self._drained()
        await self._acks.release()
        await asyncio.gather(*(consumer.close() for consumer in self._ordered))

    async def _drained(self) -> None:
        await self._loop.drained()
        for worker in self._workers:
            await worker.finished()
        await self._aftermath.finished()

    async def _close(self) -> None:
        self._ending = True
        for consumer in self._consumers:
            consumer.stop_filing()
        await end(self._tasks)
        for worker in self._workers:
            await worker.close()
        await self._aftermath.close()
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                with breaks_told():
                    await self._acks.release()
                    await self._broker.stop()
        except (*BROKEN, TimeoutError) as error:
            log.warning("stop.without_the_broker", error=repr(error))  # what it holds it gives to others
        finally:
            await self.publisher.close()

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not (self._ending and task.cancelled()):
            log.critical("task.died", task=task.get_name(), error=repr(error), exc_info=error)
            self._die(error)

    def _die(self, error: BaseException) -> None:
        self._death = self._death or error
        self._dead.set()

"""Events for those who watch: one bounded queue for each edge process, on its consuming connection.

The queue holds every order's events of the moment, so a watcher takes what is its own and reads the order again where
it may have missed something: the document is the truth, an event is a hint.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import msgspec
import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel

from broker.messages import BookChanged, Envelope, Event
from broker.topology import EVENTS_EXCHANGE, WATCHED_EVENTS

log = structlog.get_logger(__name__)

QUEUE_LENGTH_MAX = 10_000  # events; older ones make room
PREFETCH = 200
LATELY_MAX = 1_000  # order events that are remembered after they passed
PENDING_MAX = 32  # events that one watcher has not taken yet; beyond that it reads the order again


class TooManyWatchers(Exception):
    """This process serves as many watchers as it may."""


class OrderNews(msgspec.Struct, frozen=True):
    """What a watcher needs of an order's event."""

    status: str
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class News:
    """One event of a watched order; `rev` is the order's after it."""

    type: str
    rev: int | None
    status: str
    at: datetime
    reason: str | None


NEWS = msgspec.json.Decoder(OrderNews)
BOOK = msgspec.json.Decoder(BookChanged)


class Watch:
    """One watcher's own events. `None` from `next` means: read the order again."""

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        self.ended = False  # this process stops: its watcher should go, and come back to another
        self._news: asyncio.Queue[News | None] = asyncio.Queue(PENDING_MAX)

    def tell(self, news: News | None) -> None:
        """Adds an event; a watcher who is behind loses them all and is told to read instead."""
        if self._news.full():
            while not self._news.empty():
                self._news.get_nowait()
            news = None
        self._news.put_nowait(news)

    async def next(self, timeout_s: float) -> News | None:
        """The next event; None after `timeout_s` without one, or when some may have been missed."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._news.get()
        except TimeoutError:
            return None


class Feeds:
    """Hands order events to their watchers, and book changes to the cache."""

    def __init__(
        self,
        name: str,
        *,
        watchers_max: int,
        on_book_changed: Callable[[BookChanged], Awaitable[None]] | None = None,
    ) -> None:
        self.queue = f"{name}.events"
        self._watchers_max = watchers_max
        self._on_book_changed = on_book_changed
        self._watches: dict[str, set[Watch]] = {}
        self.watching = 0
        self._ending = False
        self._passed = 0
        self._lately: deque[str] = deque(maxlen=LATELY_MAX)

    def end(self) -> None:
        """Sends every watcher away and takes no more: a server that stops waits for its open answers."""
        self._ending = True
        for watch in (each for watches in self._watches.values() for each in watches):
            watch.ended = True
            watch.tell(None)

    @contextmanager
    def watch(self, order_id: str) -> Iterator[Watch]:
        """A slot for one watcher, given back at the end. Raises `TooManyWatchers`."""
        if self._ending:
            raise TooManyWatchers("this process stops")
        if self.watching >= self._watchers_max:
            raise TooManyWatchers(f"{self.watching} clients watch orders here, which is the limit")
        watch = Watch(order_id)
        self.watching += 1
        self._watches.setdefault(order_id, set()).add(watch)
        try:
            yield watch
        finally:
            self.watching -= 1
            others = self._watches[order_id]
            others.discard(watch)
            if not others:
                del self._watches[order_id]

    def mark(self) -> int:
        """Where the stream of events stands now, for `moved_since`."""
        return self._passed

    def moved_since(self, mark: int, order_id: str) -> bool:
        """Whether an event of the order may have passed since then: whoever read it before is to read it again."""
        since = self._passed - mark
        return since > len(self._lately) or order_id in islice(reversed(self._lately), since)

    async def consume(self, channel: AbstractRobustChannel) -> None:
        """Declares and binds the queue on a channel and takes what comes, also after a reconnect."""
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.declare_queue(
            self.queue,
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": QUEUE_LENGTH_MAX, "x-overflow": "drop-head"},
        )
        events: tuple[type[Event], ...] = (*WATCHED_EVENTS, BookChanged)
        for event in events:
            await queue.bind(EVENTS_EXCHANGE, f"{event.__name__}.*")
        channel.reopen_callbacks.add(self._on_reopen)
        await queue.consume(self._on_message)

    async def _on_reopen(self, *_: object) -> None:
        """Events passed by while the connection was down: every watcher reads its order again."""
        self._passed += LATELY_MAX + 1
        for watches in self._watches.values():
            for watch in watches:
                watch.tell(None)

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        try:
            envelope = Envelope.from_bytes(message.body)
            if envelope.type == BookChanged.__name__:
                await self._book_changed(envelope)
            else:
                self._order_changed(envelope)
        except msgspec.DecodeError as error:
            log.warning(
                "event.unreadable", message_id=message.message_id, type=message.type, error=str(error)
            )
        finally:
            await message.ack()

    async def _book_changed(self, envelope: Envelope) -> None:
        if self._on_book_changed is not None:
            await self._on_book_changed(BOOK.decode(envelope.data))

    def _order_changed(self, envelope: Envelope) -> None:
        self._passed += 1
        self._lately.append(envelope.key)
        watches = self._watches.get(envelope.key)
        if not watches:
            return
        said = NEWS.decode(envelope.data)
        news = News(envelope.type, envelope.rev, said.status, said.at, said.reason)
        for watch in watches:
            watch.tell(news)

"""Watching an order: text/event-stream (WHATWG HTML, server-sent events), history first, then live.

One event for each change of state, its id is the order's rev. The event bus only hints: a watcher reads the order
again where an event passed between its first read and its subscription, when a revision is missing, and every 15 s,
so nothing is lost or told twice.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from litestar.response.sse import ServerSentEventMessage

from app.edge import Edge
from app.reads.orders import find_changes
from broker.feeds import News, TooManyWatchers, Watch
from broker.messages import RefundRequested
from documents.orders import Change, Order, OrderStatus

MEDIA_TYPE: Final = "text/event-stream"
RETRY_MS = 2_000  # how long a client waits before it comes back
ENDS = frozenset({OrderStatus.CANCELLED, OrderStatus.REFUNDED})
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # proxies pass every event on at once


class OrderEventView(msgspec.Struct, kw_only=True):
    """The `data` of one event: the order moved to `status`."""

    order_id: str
    rev: int
    status: str
    at: datetime
    reason: str | None


def last_event_id(text: str | None) -> int:
    """The revision that a client saw last; 0 for none, or for an id that no event of ours had."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def is_over(status: str, *, refund_pending: bool) -> bool:
    """Whether nothing more is to come. A delivered order is at its end, unless its money is on the way back."""
    return status in ENDS or (status == OrderStatus.DELIVERED and not refund_pending)


def nothing_left(changes: Sequence[Change], seen: int, *, refund_pending: bool) -> bool:
    """Whether a client who saw everything of an order that is over comes back: it may stop (204)."""
    last = changes[-1]
    return last.rev <= seen and is_over(last.status, refund_pending=refund_pending)


@dataclass(slots=True)
class _Feed:
    """Where one watcher stands: the last change told, and the last revision heard of."""

    order_id: str
    told: int
    heard: int
    over: bool = False

    def tell(self, changes: Iterable[Change], *, refund_pending: bool) -> bytes:
        """The events that are new among these, as they travel."""
        chunks: list[bytes] = []
        for change in changes:
            if change.rev > self.told:
                self.told = change.rev
                self.heard = max(self.heard, change.rev)
                chunks.append(encode(self.order_id, change))
            self.over = is_over(change.status, refund_pending=refund_pending)
        return b"".join(chunks)

    def take(self, news: News) -> Change | None:
        """The change that an event tells, where it is the very next; None where the order must be read."""
        if news.rev is None or news.rev != self.heard + 1 or news.type == RefundRequested.__name__:
            return None
        if news.status == OrderStatus.DELIVERED:
            return None  # whether that is the end depends on a refund, which the order knows
        return Change(rev=news.rev, status=OrderStatus(news.status), at=news.at, reason=news.reason)

    def knows(self, news: News) -> bool:
        """Whether it was told of this already: events may come twice."""
        return news.rev is not None and news.rev <= self.heard


def encode(order_id: str, change: Change) -> bytes:
    """One event as it travels."""
    data = OrderEventView(
        order_id=order_id, rev=change.rev, status=change.status.value, at=change.at, reason=change.reason
    )
    return ServerSentEventMessage(data=msgspec.json.encode(data), id=change.rev).encode()


async def watch(edge: Edge, order: Order, seen: int, mark: int) -> AsyncGenerator[bytes, None]:
    """The events of an order after revision `seen`, until it is over; a comment every 15 s keeps proxies awake.

    `mark` is where `edge.feeds` stood before `order` was read. Ends at once where the process serves as many watchers
    as it may, or stops: the client comes back.
    """
    feed = _Feed(order.id, seen, seen)
    try:
        with edge.feeds.watch(order.id) as hints:
            head = ServerSentEventMessage(data=None, comment="watching", retry=RETRY_MS).encode()
            if edge.feeds.moved_since(mark, order.id):
                yield head + await _read(feed)
            else:
                yield head + feed.tell(order.history, refund_pending=order.cancelling)
            async for chunk in _follow(edge, hints, feed):
                yield chunk
    except TooManyWatchers:
        return


async def _read(feed: _Feed) -> bytes:
    """What the order itself says that was not told yet."""
    found = await find_changes(feed.order_id)
    if found is None:
        feed.over = True
        return b""
    changes, refund_pending = found
    return feed.tell(changes, refund_pending=refund_pending)


async def _follow(edge: Edge, hints: Watch, feed: _Feed) -> AsyncGenerator[bytes, None]:
    while not feed.over:
        news = await hints.next(edge.heartbeat_s)
        while news is not None and feed.knows(news):
            news = await hints.next(edge.heartbeat_s)
        if hints.ended:
            return
        if news is None:
            yield ServerSentEventMessage(data=None, comment="").encode()
        elif news.rev is not None and news.type == RefundRequested.__name__:
            feed.heard = max(feed.heard, news.rev)
        change = feed.take(news) if news is not None else None
        chunk = feed.tell([change], refund_pending=False) if change is not None else await _read(feed)
        if chunk:
            yield chunk

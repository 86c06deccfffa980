"""What the edge is made of: everything that ops hands in, and the two ears that it grows itself."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar.connection import ASGIConnection

from app.cache import CachedReads
from app.finished import FinishedAnswers
from app.metrics import Counts, Metrics
from app.security.accounts import Accounts
from app.security.keys import Keyring
from app.security.throttle import RequestLimit
from app.waiting import Receipts
from broker.connection import Endpoint
from broker.feeds import Feeds
from broker.listening import Listener
from broker.publish import Publisher
from broker.replies import Replies
from broker.telemetry import SILENT, Telemetry
from documents.terms import Terms

Probe = Callable[[], Awaitable[str | None]]
"""Whether a part works: None, or a sentence that says what is wrong. Bounded in time by who calls it."""

Cover = Callable[[str, str, int, str, str], str]
"""Draws a cover as SVG from title, author, year (0: unknown), Thema code of the first subject, and ISBN-13."""

WAIT_S_MAX = 30  # of `Prefer: wait`
BODY_BYTES_MAX = 1_000_000
WATCHERS_MAX = 1_000


@dataclass(slots=True, kw_only=True)
class Edge:
    """The parts that every route may ask for, by name.

    `database` is initialised (Beanie) and `publisher` started by whoever makes the edge, and closed by them; the
    consuming connection is the edge's own. `name` names its queues, so no two processes may share one. `probes` are
    asked for /health/ready; the name of one that the edge cannot do without stands in `needs`. Whoever stops a server
    calls `leave` first. Without a `limit` anybody may ask as often as they like; signing in is throttled all the same.
    """

    publisher: Publisher
    endpoint: Endpoint
    keyring: Keyring
    accounts: Accounts
    cache: CachedReads
    covers: Cover | None = None
    console: str | None = None
    """Where RabbitMQ's management console shows this Quire's queues, by name below it; None where there is none."""
    terms: Terms = field(default_factory=Terms)
    asyncapi: Mapping[str, Any] | None = None
    probes: Mapping[str, Probe] = field(default_factory=dict)
    needs: frozenset[str] = frozenset({"database"})
    metrics: Metrics = field(default_factory=Metrics)
    telemetry: Telemetry = SILENT
    version: str = "0.1.0"
    name: str = field(default_factory=lambda: f"edge.{secrets.token_hex(6)}")
    wait_s_max: int = WAIT_S_MAX
    body_bytes_max: int = BODY_BYTES_MAX
    watchers_max: int = WATCHERS_MAX
    limit: RequestLimit | None = None
    heartbeat_s: float = 15.0

    leaving: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    finished: FinishedAnswers = field(init=False)
    replies: Replies = field(init=False)
    receipts: Receipts = field(init=False, default_factory=Receipts)
    feeds: Feeds = field(init=False)
    listener: Listener = field(init=False)

    def __post_init__(self) -> None:
        """Grows the ears; `listener.start()` opens them, and `cache.start()` the one for drops."""
        self.finished = FinishedAnswers(self.cache)
        self.replies = Replies(self.name)
        self.feeds = Feeds(
            self.name, watchers_max=self.watchers_max, on_book_changed=self.cache.on_book_changed
        )
        Counts(
            self.metrics.registry,
            "quire_cache_requests",
            "Reads of the catalogue's cache",
            ("kind", "result"),
            self.cache.counts,
        )
        self.listener = Listener(self.endpoint, name=self.name, ears=(self.replies, self.feeds))

    def leave(self) -> None:
        """Ends what a stopping server would wait for: event streams, and waits for outcomes, which are then 202."""
        self.leaving.set()
        self.replies.end()
        self.feeds.end()


def edge_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Edge:
    """The edge that a request came to."""
    edge: Edge = connection.app.state.edge
    return edge


def correlation_id_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The id that a request and everything that follows from it is found by in logs and messages."""
    return str(connection.scope["state"]["correlation_id"])

"""The embedded broker: RabbitMQ's semantics in this process, on this event loop."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from broker.embedded.deaths import Reason, closes_cycle, dead_properties
from broker.embedded.errors import RefusedError, precondition_failed
from broker.embedded.journal import Entry, Journal, JournalError
from broker.embedded.messages import Properties, StoredMessage, encode_properties, lifetime_ms
from broker.embedded.queues import Declaration, MessageQueue
from broker.embedded.topology import Topology
from broker.embedded.writer import JournalWriter

PERSISTENT = 2
# A dead letter that cannot be kept or routed yet (dead-letter strategy at-least-once) is tried again after
# this time.
BURY_RETRY_S = 1.0

Settled = Callable[[str | None], None]


class Transport(Protocol):
    """A client's connection, as the server sees it."""

    name: str

    async def drop(self, why: str) -> None:
        """Close the connection from the broker's side."""


@dataclass(frozen=True, slots=True)
class QueueOverview:
    """One queue, as the management API would list it. `ready` counts dead letters on their way out."""

    name: str
    ready: int
    unacked: int
    consumers: int
    durable: bool
    arguments: dict[str, Any]


class EmbeddedServer:
    """One broker. Connect to it with `broker.connection.connect(server, name=...)`.

    With a journal, a publisher's confirm says that every persistent message in a durable queue is on disk;
    without one, messages live as long as the process. Topology is not kept: the application declares it at
    each start, and messages of a queue that is not declared yet wait for it. Not safe for use from several
    event loops.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self.topology = Topology(self)
        self.transports: list[Transport] = []
        self.reply_receivers: dict[str, Callable[[StoredMessage], None]] = {}
        self.running = False
        self._journal = journal
        self._writer = None if journal is None else JournalWriter(journal)
        self._orphans: dict[str, list[StoredMessage]] = {}
        self._last_id = 0
        self._retries: set[asyncio.TimerHandle] = set()

    async def start(self) -> None:
        """Read the journal. Raises JournalError."""
        for entry in await self._journal.load() if self._journal is not None else ():
            self._orphans.setdefault(entry.queue, []).append(entry.message())
            self._last_id = entry.id
        self.running = True

    async def stop(self) -> None:
        """Drop all connections, bring everything to the journal, accept nothing more."""
        self.running = False
        for transport in tuple(self.transports):
            await transport.drop("CONNECTION_FORCED - the embedded broker is stopping")
        for queue in self.topology.queues.values():
            queue.halt()
        for retry in self._retries:
            retry.cancel()
        if self._writer is not None:
            await self._writer.flush()

    def overview(self) -> list[QueueOverview]:
        """All queues by name, with those that wait for their declaration (their arguments unknown)."""
        declared = [
            QueueOverview(
                name=queue.name,
                ready=queue.waiting + queue.moving,
                unacked=queue.unacked,
                consumers=len(queue.consumers),
                durable=queue.declaration.durable,
                arguments=dict(queue.declaration.arguments),
            )
            for queue in self.topology.queues.values()
        ]
        waiting = [QueueOverview(name, len(found), 0, 0, True, {}) for name, found in self._orphans.items()]
        return sorted([*declared, *waiting], key=lambda queue: queue.name)

    async def drop_connection(self, name: str) -> int:
        """Close the connections of that name, as an operator would; returns how many there were."""
        dropped = [transport for transport in self.transports if transport.name == name]
        for transport in dropped:
            await transport.drop("CONNECTION_FORCED - closed by an operator")
        return len(dropped)

    def declare_queue(self, declaration: Declaration, connection: object, *, passive: bool) -> MessageQueue:
        """Queue.Declare; a durable queue finds what the journal kept for it."""
        queue = self.topology.declare_queue(declaration, connection, passive=passive)
        if queue.declaration.durable and queue.name in self._orphans:
            queue.adopt(self._orphans.pop(queue.name))
            queue.pump()
        return queue

    def publish(
        self, exchange: str, routing_key: str, properties: Properties, body: bytes, settled: Settled
    ) -> bool:
        """Route a message. Returns False, and calls nothing, where no queue takes it.

        Otherwise `settled` is called once, at once or later: with None when the message is accepted for good,
        or with the reason for which it is refused. Raises RefusedError when the channel must close.
        """
        queues = self.topology.route(exchange, routing_key)
        if not queues:
            return False
        encoded = encode_properties(properties)
        expiration_ms = lifetime_ms(properties)
        persistent = properties.delivery_mode == PERSISTENT
        full = [queue.name for queue in queues if queue.refuses]
        placed = [
            (queue, self._message(queue, exchange, routing_key, encoded, body, persistent, expiration_ms))
            for queue in queues
            if not queue.refuses
        ]
        size = len(body) + len(encoded)
        if (
            self._writer is not None
            and size > self._writer.message_bytes_max
            and any(m.persistent for _, m in placed)
        ):
            raise precondition_failed(
                f"a message of {size} bytes is too large for the journal: {self._writer.message_bytes_max} at most"
            )
        refusal = f"queue {', '.join(full)} is full" if full else None

        def kept(error: JournalError | None) -> None:
            settled(refusal if error is None else str(error))

        self._place(placed, kept)
        return True

    def forget(self, message: StoredMessage) -> None:
        """A message is settled for good."""
        if message.persistent and self._writer is not None:
            self._writer.remove(message.id)

    def delivering(self, queue: MessageQueue, message: StoredMessage) -> None:
        """A message is handed to a consumer."""
        if message.persistent and self._writer is not None:
            self._writer.mark(queue.name, message.id)

    def mark(self, queue: MessageQueue, entry_id: int, then: Callable[[], None]) -> None:
        """Keep that everything up to `entry_id` is about to be delivered, then call."""
        if self._writer is None:
            raise RuntimeError(f"queue {queue.name} holds a recovered message, but there is no journal")
        self._writer.mark(queue.name, entry_id, then)

    def expired(self, queue: MessageQueue) -> None:
        """A queue was unused for longer than its x-expires."""
        self.topology.remove_queue(queue)

    def bury(self, queue: MessageQueue, message: StoredMessage, reason: Reason) -> None:
        """Dead-letter a message: copy first, original after, so that a crash can duplicate but never lose."""
        arguments = queue.declaration.arguments
        exchange = arguments.get("x-dead-letter-exchange")
        if exchange is None:
            self.forget(message)
            return
        routing_key = arguments.get("x-dead-letter-routing-key", message.routing_key)
        at_least_once = arguments.get("x-dead-letter-strategy") == "at-least-once"
        properties = dead_properties(message, queue.name, reason)
        try:
            routed = self.topology.route(exchange, routing_key)
        except RefusedError:
            routed = ()  # the dead-letter exchange is not there (yet)
        targets = [
            target for target in routed if reason == "rejected" or not closes_cycle(properties, target.name)
        ]
        open_targets = [target for target in targets if not target.refuses]
        queue.moving += 1
        if at_least_once and (not routed or len(open_targets) < len(targets)):
            self._bury_later(queue, message, reason)
            return
        placed = [
            (target, self._message(target, exchange, routing_key, properties, message.body, True, None))
            for target in open_targets
        ]

        def kept(error: JournalError | None) -> None:
            if error is not None:
                self._bury_later(queue, message, reason)
                return
            queue.moving -= 1
            self.forget(message)

        self._place(placed, kept, moved_from=message.id if message.persistent and len(placed) == 1 else None)

    def _bury_later(self, queue: MessageQueue, message: StoredMessage, reason: Reason) -> None:
        if not self.running:
            return  # the journal still has it in its old queue

        def again() -> None:
            self._retries.discard(timer)
            queue.moving -= 1
            self.bury(queue, message, reason)

        timer = asyncio.get_running_loop().call_later(BURY_RETRY_S, again)
        self._retries.add(timer)

    def _message(
        self,
        queue: MessageQueue,
        exchange: str,
        routing_key: str,
        properties: bytes,
        body: bytes,
        persistent: bool,
        expiration_ms: int | None,
    ) -> StoredMessage:
        declared = queue.declaration
        # A quorum queue keeps everything, whatever its delivery mode.
        kept = persistent or declared.arguments.get("x-queue-type") == "quorum"
        journalled = kept and self._writer is not None and declared.durable and declared.owner is None
        # Microseconds since the epoch, or one more than the last: ids grow over restarts, also when the
        # journal is empty.
        self._last_id = max(self._last_id + 1, time.time_ns() // 1000)
        lifetimes_ms = [ms for ms in (queue.ttl_ms, expiration_ms) if ms is not None]
        expires_at = time.time() + min(lifetimes_ms) / 1000 if lifetimes_ms else None
        return StoredMessage(self._last_id, exchange, routing_key, properties, body, journalled, expires_at)

    def in_turn(self, then: Callable[[], None]) -> None:
        """Calls `then` once the journal has what was published before, so that a silent journal is a silent broker."""
        if self._writer is None:
            then()
        else:
            self._writer.submit([], lambda _: then())

    def _place(
        self,
        placed: list[tuple[MessageQueue, StoredMessage]],
        kept: Callable[[JournalError | None], None],
        moved_from: int | None = None,
    ) -> None:
        """Put each message into its queue, in order; those to be kept once the journal has them."""
        if self._writer is None or not any(m.persistent or queue.pending for queue, m in placed):
            self._enqueue(placed)
            kept(None)
            return
        for queue, _ in placed:
            queue.pending += 1

        def written(error: JournalError | None) -> None:
            for queue, _ in placed:
                queue.pending -= 1
            if error is None:
                self._enqueue(placed)
            kept(error)

        self._writer.submit(
            [Entry.of(queue.name, m, moved_from) for queue, m in placed if m.persistent], written
        )

    def _enqueue(self, placed: list[tuple[MessageQueue, StoredMessage]]) -> None:
        for queue, message in placed:
            if queue.deleted:
                self.forget(message)
                continue
            queue.enqueue(message)
            queue.pump()

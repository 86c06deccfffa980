"""One queue: who waits in it, who takes from it, what becomes of what is given back."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from broker.embedded.deaths import Reason
from broker.embedded.messages import StoredMessage

# Deliveries in one go before the event loop has its turn: a consumer without prefetch must not stall the
# process.
BURST_MAX = 256


class Receiver(Protocol):
    """The channel behind a consumer."""

    def deliver(self, consumer: "Consumer", queue: "MessageQueue", message: StoredMessage) -> None:
        """Hand over one message."""

    def cancelled(self, consumer: "Consumer") -> None:
        """The queue is gone, and the consumer with it."""


class Keeper(Protocol):
    """What a queue asks of its server."""

    def bury(self, queue: "MessageQueue", message: StoredMessage, reason: Reason) -> None:
        """Dead-letter a message, or drop it where no dead-letter exchange is set."""

    def forget(self, message: StoredMessage) -> None:
        """The message is settled for good."""

    def delivering(self, queue: "MessageQueue", message: StoredMessage) -> None:
        """The message is handed to a consumer."""

    def mark(self, queue: "MessageQueue", entry_id: int, then: Callable[[], None]) -> None:
        """Keep that everything up to `entry_id` is about to be delivered, then call."""

    def expired(self, queue: "MessageQueue") -> None:
        """The queue itself was unused for longer than its x-expires."""


@dataclass(slots=True, eq=False)
class Consumer:
    """One basic.consume. `prefetch` 0 is no limit."""

    tag: str
    receiver: Receiver
    prefetch: int
    no_ack: bool
    exclusive: bool
    unacked: int = 0

    @property
    def has_credit(self) -> bool:
        """Whether it may be given another message."""
        return not self.prefetch or self.unacked < self.prefetch


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a queue was declared as. `owner` is the connection of an exclusive queue."""

    name: str
    durable: bool
    auto_delete: bool
    owner: object | None
    arguments: dict[str, Any] = field(default_factory=dict)

    def integer(self, argument: str) -> int | None:
        """An x-argument that counts something, if it was given."""
        value = self.arguments.get(argument)
        return None if value is None else int(value)


class MessageQueue:
    """A queue with the semantics of RabbitMQ's quorum queues, also where it is declared classic.

    What is given back goes to `returned`, in the order of its return, and is delivered before what still
    waits (rabbit_fifo of RabbitMQ 3.10 to 4.0): a lost consumer's messages keep their order.
    """

    def __init__(self, declaration: Declaration, keeper: Keeper) -> None:
        self.declaration = declaration
        self.name = declaration.name
        self.keeper = keeper
        self.ready: deque[StoredMessage] = deque()
        self.returned: deque[StoredMessage] = deque()
        self.ready_bytes = 0
        self.pending = 0  # accepted, on the way through the journal
        self.moving = 0  # dead, on the way to their dead-letter queue
        self.unacked = 0
        self.consumers: deque[Consumer] = deque()
        self.deleted = False
        self.halted = False
        self.ttl_ms = declaration.integer("x-message-ttl")
        self._single_active = bool(declaration.arguments.get("x-single-active-consumer"))
        self._delivery_limit = declaration.integer("x-delivery-limit")
        self._length_max = declaration.integer("x-max-length")
        self._bytes_max = declaration.integer("x-max-length-bytes")
        self._rejects = declaration.arguments.get("x-overflow") in ("reject-publish", "reject-publish-dlx")
        self._expires_ms = declaration.integer("x-expires")
        self._marked_id = 0
        self._marking = False
        self._expiry: asyncio.TimerHandle | None = None
        self._expiry_at = 0.0
        self._unused: asyncio.TimerHandle | None = None
        self.touch()

    @property
    def waiting(self) -> int:
        """How many messages are ready."""
        return len(self.ready) + len(self.returned)

    @property
    def refuses(self) -> bool:
        """Whether a publish would be nacked: full, and declared to reject rather than to drop its head."""
        return self._rejects and self._above(self.waiting + self.pending + 1, self.ready_bytes + 1)

    def enqueue(self, message: StoredMessage) -> None:
        """Take a message at the tail. The caller pumps."""
        self.ready.append(message)
        self.ready_bytes += len(message.body)
        if not self._rejects:
            while self._above(self.waiting, self.ready_bytes):
                self.keeper.bury(self, self._take(), "maxlen")

    def adopt(self, messages: Iterable[StoredMessage]) -> None:
        """Take what the journal kept; what is past its delivery limit dies. The caller pumps."""
        for message in messages:
            if self._spent(message):
                self.keeper.bury(self, message, "delivery_limit")
            else:
                self.enqueue(message)

    def give_back(self, messages: Iterable[StoredMessage]) -> None:
        """Take back unacked messages, in this order; past the delivery limit they die. The caller pumps."""
        for message in messages:
            message.returns += 1
            if self._spent(message):
                self.keeper.bury(self, message, "delivery_limit")
            else:
                self.returned.append(message)
                self.ready_bytes += len(message.body)

    def pump(self) -> None:
        """Deliver what can be delivered, and expire what stands at the head past its time."""
        for _ in range(BURST_MAX):
            message = self._head()
            if message is None or self.deleted or self.halted:
                break
            if message.expires_at is not None and message.expires_at <= time.time():
                self.keeper.bury(self, self._take(), "expired")
                continue
            consumer = self._next_consumer()
            if consumer is None or not self._marked(message, consumer):
                break
            self.keeper.delivering(self, self._take())
            consumer.receiver.deliver(consumer, self, message)
        else:
            asyncio.get_running_loop().call_soon(self.pump)
        self._arm_expiry()

    def get(self) -> StoredMessage | None:
        """Take the head for a basic.get."""
        self.touch()
        while (message := self._head()) is not None:
            self._take()
            if message.expires_at is None or message.expires_at > time.time():
                self.keeper.delivering(self, message)
                return message
            self.keeper.bury(self, message, "expired")
        return None

    def purge(self) -> int:
        """Drop everything that is ready; returns how many that were."""
        dropped = [*self.returned, *self.ready]
        self.returned.clear()
        self.ready.clear()
        self.ready_bytes = 0
        for message in dropped:
            self.keeper.forget(message)
        return len(dropped)

    def add_consumer(self, consumer: Consumer) -> None:
        """Subscribe; with x-single-active-consumer the longest subscribed is served. The caller pumps."""
        self.consumers.append(consumer)
        self.touch()

    def remove_consumer(self, consumer: Consumer) -> None:
        """Unsubscribe; what it holds stays with it. The caller pumps."""
        self.consumers.remove(consumer)
        self.touch()

    def close(self) -> None:
        """The queue is deleted: no timer runs on, consumers are told."""
        self.deleted = True
        self.halt()
        for consumer in self.consumers:
            consumer.receiver.cancelled(consumer)
        self.consumers.clear()

    def halt(self) -> None:
        """Nothing is delivered or expired any more; messages may still arrive."""
        self.halted = True
        for timer in (self._expiry, self._unused):
            if timer is not None:
                timer.cancel()

    def touch(self) -> None:
        """The queue is used: its x-expires begins anew (it runs only while there is no consumer)."""
        if self._expires_ms is None or self.halted:
            return
        if self._unused is not None:
            self._unused.cancel()
            self._unused = None
        if not self.consumers:
            loop = asyncio.get_running_loop()
            self._unused = loop.call_later(self._expires_ms / 1000, self.keeper.expired, self)

    def _spent(self, message: StoredMessage) -> bool:
        return self._delivery_limit is not None and message.returns > self._delivery_limit

    def _above(self, count: int, size: int) -> bool:
        return (self._length_max is not None and count > self._length_max) or (
            self._bytes_max is not None and size > self._bytes_max
        )

    def _head(self) -> StoredMessage | None:
        if self.returned:
            return self.returned[0]
        return self.ready[0] if self.ready else None

    def _take(self) -> StoredMessage:
        message = self.returned.popleft() if self.returned else self.ready.popleft()
        self.ready_bytes -= len(message.body)
        return message

    def _next_consumer(self) -> Consumer | None:
        if self._single_active:
            active = self.consumers[0] if self.consumers else None
            return active if active is not None and active.has_credit else None
        for _ in range(len(self.consumers)):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.has_credit:
                return consumer
        return None

    def _marked(self, message: StoredMessage, consumer: Consumer) -> bool:
        """Whether `message` may go out at once.

        One that survived a crash may have caused it: it is noted as delivered before it goes out again, or a
        message that kills its process at once would do so for ever, without ever coming to its delivery
        limit.
        """
        if not message.recovered or message.id <= self._marked_id:
            return True
        if not self._marking:
            self._marking = True
            window = max(1, consumer.prefetch - consumer.unacked) if consumer.prefetch else BURST_MAX
            ids = [m.id for m, _ in zip(self.ready, range(window), strict=False) if m.recovered]
            self.keeper.mark(self, max([message.id, *ids]), self._on_marked(max([message.id, *ids])))
        return False

    def _on_marked(self, entry_id: int) -> Callable[[], None]:
        def marked() -> None:
            self._marking = False
            self._marked_id = entry_id
            self.pump()

        return marked

    def _arm_expiry(self) -> None:
        head = self._head()
        if head is None or head.expires_at is None or self.halted:
            return
        if self._expiry is not None and self._expiry_at <= head.expires_at:
            return
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry_at = head.expires_at
        delay_s = max(0.0, head.expires_at - time.time()) + 0.001
        self._expiry = asyncio.get_running_loop().call_later(delay_s, self._on_expiry)

    def _on_expiry(self) -> None:
        self._expiry = None
        self.pump()

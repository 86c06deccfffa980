"""What stands on the broker, as data: groups, slots, partitions, retry tiers, dead letters, exchanges.

    quire.commands  direct  <group>.<slot>            a command, to the partition that its slot is bound to
    quire.events    topic   <EventType>.<slot>        a fact, to every group that subscribed (and to the edges)
    quire.dead      direct  <group>                   what the broker itself gives up: to <group>.undertaker

Names of retry, dead-letter and undertaker queues derive from the group's name. The same data declares a real RabbitMQ
and the embedded broker.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from broker.messages import (
    ORDER_EVENTS,
    Command,
    Event,
    Message,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
    PaymentAuthorized,
    PaymentDeclined,
    PaymentExpired,
    PaymentRefunded,
    RefundRequested,
    ShipmentDelivered,
    ShipmentDispatched,
)

SLOTS = 64
COMMANDS_EXCHANGE = "quire.commands"
EVENTS_EXCHANGE = "quire.events"
DEAD_EXCHANGE = "quire.dead"

QUEUE_LENGTH_MAX = 100_000  # messages; beyond it the broker refuses (reject-publish) and the edge answers 503
DELIVERY_LIMIT = 20  # guards against messages that kill their worker; not the retry policy
MESSAGE_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class RetryTier:
    """A queue in which a message waits for a fixed time before it goes back."""

    name: str
    delay_s: float


RETRY_TIERS: tuple[RetryTier, ...] = (
    RetryTier("1s", 1),
    RetryTier("10s", 10),
    RetryTier("1m", 60),
    RetryTier("10m", 600),
)


@dataclass(frozen=True, slots=True)
class Group:
    """One domain's subscribers.

    `partitions` > 0: an ordered group, its mailboxes are `<name>.0` … with one active consumer each; 0: an unordered
    one with a single queue of its name and retry tiers.
    """

    name: str
    partitions: int = 0
    events: tuple[type[Event], ...] = ()

    @property
    def ordered(self) -> bool:
        """Whether its actors' commands take effect in order."""
        return self.partitions > 0

    @property
    def queues(self) -> tuple[str, ...]:
        """Where its messages wait."""
        return tuple(f"{self.name}.{n}" for n in range(self.partitions)) if self.ordered else (self.name,)

    @property
    def dead(self) -> str:
        """Where its dead letters stand until somebody looks."""
        return f"{self.name}.dead"

    @property
    def undertaker(self) -> str:
        """Where the broker puts what it gives up itself."""
        return f"{self.name}.undertaker"

    def retry(self, tier: RetryTier) -> str:
        """Where a message waits before its next attempt."""
        return f"{self.name}.retry.{tier.name}"

    def queue_of(self, slot: int) -> str:
        """The queue that a slot is bound to: an even spread over the partitions."""
        return self.queues[slot % len(self.queues)]


PAYMENT_OUTCOMES = (PaymentAuthorized, PaymentDeclined, PaymentExpired, PaymentRefunded)

GROUPS: tuple[Group, ...] = (
    Group("catalog", partitions=4),
    Group("carts", partitions=8),
    Group("orders", partitions=8, events=(*PAYMENT_OUTCOMES, ShipmentDispatched, ShipmentDelivered)),
    Group("payments", events=(OrderPlaced, OrderCancelled, OrderShipped, RefundRequested)),
    Group("shipments", events=(OrderConfirmed, OrderCancelled)),
    Group(
        "notifications",
        events=(OrderPlaced, OrderConfirmed, OrderCancelled, OrderShipped, OrderDelivered, OrderRefunded),
    ),
)

BY_NAME: dict[str, Group] = {group.name: group for group in GROUPS}

WATCHED_EVENTS: tuple[type[Event], ...] = ORDER_EVENTS


def slot_of(key: str) -> int:
    """The slot of an actor: a stable hash of its key, the same in every process and release. 0 to SLOTS - 1."""
    return int.from_bytes(blake2b(key.encode(), digest_size=2).digest()) % SLOTS


def route(message: Message) -> tuple[str, str]:
    """Exchange and routing key of a message."""
    slot = slot_of(message.key)
    if isinstance(message, Command):
        return COMMANDS_EXCHANGE, f"{message.group}.{slot}"
    return EVENTS_EXCHANGE, f"{type(message).__name__}.{slot}"


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A durable queue and its arguments, as `queue.declare` takes them."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BindingSpec:
    """One way from an exchange to a queue."""

    exchange: str
    routing_key: str
    queue: str


EXCHANGES: tuple[tuple[str, str], ...] = (
    (COMMANDS_EXCHANGE, "direct"),
    (EVENTS_EXCHANGE, "topic"),
    (DEAD_EXCHANGE, "direct"),
)

QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}


def queues(tiers: tuple[RetryTier, ...] = RETRY_TIERS) -> Iterator[QueueSpec]:
    """Every durable queue.

    `reject-publish`, at-least-once dead-lettering and a maximum length belong together: with drop-head RabbitMQ
    silently falls back to at-most-once (rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering).
    """
    for group in GROUPS:
        work = {
            **QUORUM,
            "x-overflow": "reject-publish",
            "x-max-length": QUEUE_LENGTH_MAX,
            "x-dead-letter-strategy": "at-least-once",
            "x-dead-letter-exchange": DEAD_EXCHANGE,
            "x-dead-letter-routing-key": group.name,
            "x-delivery-limit": DELIVERY_LIMIT,
        }
        if group.ordered:
            work["x-single-active-consumer"] = True
        for name in group.queues:
            yield QueueSpec(name, work)
        if not group.ordered:
            yield from _retry_queues(group, tiers)
        yield QueueSpec(group.undertaker, {**QUORUM, "x-delivery-limit": 1_000_000})
        yield QueueSpec(group.dead, {**QUORUM, "x-delivery-limit": 1_000_000})


def _retry_queues(group: Group, tiers: tuple[RetryTier, ...]) -> Iterator[QueueSpec]:
    for tier in tiers:
        yield QueueSpec(
            group.retry(tier),
            {
                **QUORUM,
                "x-overflow": "reject-publish",
                "x-max-length": QUEUE_LENGTH_MAX,
                "x-dead-letter-strategy": "at-least-once",
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": group.name,
                "x-message-ttl": int(tier.delay_s * 1000),
            },
        )


def bindings() -> Iterator[BindingSpec]:
    """Every binding of a durable queue."""
    for group in GROUPS:
        for slot in range(SLOTS):
            yield BindingSpec(COMMANDS_EXCHANGE, f"{group.name}.{slot}", group.queue_of(slot))
        for event in group.events:
            if group.ordered:
                for slot in range(SLOTS):
                    yield BindingSpec(EVENTS_EXCHANGE, f"{event.__name__}.{slot}", group.queue_of(slot))
            else:
                yield BindingSpec(EVENTS_EXCHANGE, f"{event.__name__}.*", group.name)
        yield BindingSpec(DEAD_EXCHANGE, group.name, group.undertaker)

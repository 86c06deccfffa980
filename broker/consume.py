"""Subscribing a group: FastStream subscribers that hand deliveries on and never ack by themselves.

FastStream's default policy rejects on error, which loses a message where no dead-letter exchange is set, so the policy
is manual: a delivery is acked once its effect is committed, by broker/acks.py. A subscriber's handler only decodes and
files the delivery; it cannot fail, because what cannot be decoded is a delivery too.
"""

from collections.abc import Callable

from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import ChannelInvalidStateError
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.rabbit import Channel, QueueType, RabbitQueue

from broker.connection import Broker
from broker.delivery import Delivery, receive
from broker.topology import Group

ORDERED_PREFETCH = 100  # a partition; it bounds how much a crash sends round again
UNORDERED_PREFETCH = 100
UNDERTAKER_PREFETCH = 1


async def _raw(message: StreamMessage[AbstractIncomingMessage]) -> AbstractIncomingMessage:
    """The delivery itself: the body is decoded once, by us."""
    return message.raw_message


def subscribe(
    broker: Broker, group: Group, queue: str, prefetch: int, deliver: Callable[[Delivery], None]
) -> None:
    """Makes one queue of a group a FastStream subscriber on a channel of its own, so that its acks can be `multiple`.

    The queue is not declared here: broker/topology.py is, by `Topology.apply`.
    """

    subscriber = broker.subscriber(
        RabbitQueue(queue, queue_type=QueueType.QUORUM, declare=False),
        channel=Channel(prefetch_count=prefetch),
        ack_policy=AckPolicy.MANUAL,
        decoder=_raw,
        no_reply=True,
        title=queue,
        description=f"Messages of the group {group.name}",
    )

    @subscriber
    async def file(raw: AbstractIncomingMessage) -> None:
        take(raw)

    async def take_at_once(raw: AbstractIncomingMessage) -> None:
        if subscriber.running:
            take(raw)

    def take(raw: AbstractIncomingMessage) -> None:
        try:
            delivery = receive(group, queue, raw)
        except ChannelInvalidStateError:
            return  # its channel is closed already: it comes again
        deliver(delivery)

    # FastStream's pipeline (contexts, middlewares, parsers) costs 172 to 207 us a message, and files what needs none of
    # it: the driver's callback goes to the mailbox at once. It stays a FastStream subscriber in all else.
    subscriber.consume = take_at_once  # type: ignore[method-assign,assignment]


def accept_from_the_first(broker: Broker) -> None:
    """Lets subscribers take what arrives before `start` has returned.

    FastStream swallows deliveries while a subscriber is not yet marked as running, and marks it after the broker has
    begun to deliver: such a message would stay unacked until the channel closes. Call before `broker.start()`.
    """
    for subscriber in broker.subscribers:
        subscriber.running = True

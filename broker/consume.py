"""Consuming a queue of a group: a FastStream subscriber that hands deliveries on and never acks by itself.

FastStream's default policy rejects on error, which loses a message where no dead-letter exchange is set, so the policy
is manual: a delivery is acked once its effect is committed, by broker/acks.py. A subscriber's handler only decodes and
files the delivery; it cannot fail, because what cannot be decoded is a delivery too.

An ordered queue is given back by closing its channel, never by cancelling its consumer: RabbitMQ serves the next
consumer as soon as the active one cancels, and what that one still held would take effect after what came later.
"""

import asyncio
from collections.abc import Callable

from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import ChannelInvalidStateError
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.rabbit import Channel, QueueType, RabbitQueue

from broker.delivery import Delivery, receive
from broker.ending import breaks_told
from broker.subscribing import Broker
from broker.topology import Group

ORDERED_PREFETCH = 100  # a partition; it bounds how much a crash sends round again
UNORDERED_PREFETCH = 100
UNDERTAKER_PREFETCH = 1


async def _raw(message: StreamMessage[AbstractIncomingMessage]) -> AbstractIncomingMessage:
    """The delivery itself: the body is decoded once, by us."""
    return message.raw_message


class OwnQueue(RabbitQueue):
    """A queue that FastStream does not take from its cache: each subscription has a channel of its own."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        """No two are one."""
        return self is other


class Consumer:
    """The subscription to one queue of a group, on a channel of its own so that its acks can be `multiple`.

    The queue is not declared here: broker/topology.py is, by `Topology.apply`.
    """

    def __init__(
        self, broker: Broker, group: Group, queue: str, prefetch: int, deliver: Callable[[Delivery], None]
    ) -> None:
        self.queue = queue
        self._broker = broker
        self._group = group
        self._prefetch = prefetch
        self._deliver = deliver
        self._filing = False
        self._turn = asyncio.Lock()
        self._channel = Channel(prefetch_count=prefetch)
        self._subscriber = broker.subscriber(
            OwnQueue(queue, queue_type=QueueType.QUORUM, declare=False),
            channel=self._channel,
            ack_policy=AckPolicy.MANUAL,
            decoder=_raw,
            no_reply=True,
            title=queue,
            description=f"Messages of the group {group.name}",
        )

        @self._subscriber
        async def file(raw: AbstractIncomingMessage) -> None:
            self._take(raw)

        async def take_at_once(raw: AbstractIncomingMessage) -> None:
            self._take(raw)

        # FastStream's pipeline (contexts, middlewares, parsers) costs 172 to 207 us a message, and files what needs
        # none of it: the driver's callback goes to the mailbox at once. It stays a FastStream subscriber in all else.
        self._subscriber.consume = take_at_once  # type: ignore[method-assign,assignment]

    async def open(self) -> None:
        """Begins to consume. Raises what aio-pika raises."""
        with breaks_told():
            await self._open()

    async def _open(self) -> None:
        async with self._turn:
            # The broker delivers before `start` has returned, and whatever it delivers is filed.
            self._filing = True
            if self._subscriber.running:
                return
            self._channel = Channel(prefetch_count=self._prefetch)
            self._subscriber.channel = self._channel
            await self._subscriber.start()

    async def close(self) -> None:
        """Gives back what is not acked, in its old order, and takes no more until it is opened again."""
        self._filing = False
        with breaks_told():
            await self._close()

    async def _close(self) -> None:
        async with self._turn:
            if not self._subscriber.running:
                return
            channel = await self._broker.config.channel_manager.get_channel(self._channel)
            if not channel.is_closed:
                await channel.close()
            await self._subscriber.stop()

    async def cancel(self) -> None:
        """Takes no more; what it holds may still be finished. For queues without an order."""
        async with self._turn:
            await self._subscriber.stop()

    def stop_filing(self) -> None:
        """Leaves what arrives from now on alone: `close` gives it back."""
        self._filing = False

    def _take(self, raw: AbstractIncomingMessage) -> None:
        if not self._filing:
            return
        try:
            delivery = receive(self._group, self.queue, raw)
        except ChannelInvalidStateError:
            return  # its channel is closed already: it comes again
        self._deliver(delivery)

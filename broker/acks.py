"""Acks: finished deliveries of one channel go back together, as one `basic.ack multiple` as far as that reaches.

An ack waits a moment for company. Each is a frame to write and an entry in the log of its queue's replicas, a tenth of
what an addition to a cart costs RabbitMQ (docs/performance.md), and nobody waits for one. Where a worker dies, what it
had finished in that moment comes again, and its receipt answers. Failures are acked at once: an undertaker's queue
brings the next one only then, and what killed workers is not to come again with those who follow.
"""

import asyncio
from collections.abc import Iterable

import structlog
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

from broker.delivery import Delivery

log = structlog.get_logger(__name__)

WAIT_S = 0.05
ENOUGH = 16  # of one channel: as many go at once, long before its prefetch is used up


class Acks:
    """What one channel was delivered and has not acked.

    Tags rise by one from 1. `multiple` acks everything up to a tag, so it is used only as far as every tag was seen:
    behind a delivery that never reached us, finished ones go back one by one, and that one comes again.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel
        self._seen_through = 0
        self._open: dict[int, None] = {}  # in the order of the tags
        self._finished: set[int] = set()
        self._sending = asyncio.Lock()

    def __len__(self) -> int:
        """How many are finished and not acked."""
        return len(self._finished)

    def opened(self, tag: int) -> None:
        """A delivery arrived."""
        if tag == self._seen_through + 1:
            self._seen_through = tag
            self._open[tag] = None

    def finished(self, tag: int) -> None:
        """A delivery is to be acked with the next `send`."""
        self._open.pop(tag, None)
        self._finished.add(tag)

    async def send(self) -> None:
        """Acks finished deliveries: the run from the oldest with one frame, those behind a gap one by one.

        A channel that is gone takes no ack: the broker delivers again, and the receipt answers. One caller at a time: a
        `multiple` that overtook another ack would name a tag that is acked already, which closes the channel.
        """
        async with self._sending:
            tags, self._finished = sorted(self._finished), set()
            open_from = next(iter(self._open), self._seen_through + 1)
            run = max((tag for tag in tags if tag < open_from), default=0)
            try:
                if run:
                    await self.channel.basic_ack(run, multiple=True, wait=False)
                for tag in tags:
                    if tag > run:
                        await self.channel.basic_ack(tag, wait=False)
            except (AMQPError, ChannelInvalidStateError, ConnectionError, RuntimeError) as error:
                log.info("ack.lost", channel=self.channel.number, deliveries=len(tags), error=repr(error))


class AckBook:
    """The acks of all channels of a process."""

    def __init__(self) -> None:
        self._channels: dict[AbstractChannel, Acks] = {}
        self._held = False
        self._some = asyncio.Event()

    def hold(self) -> None:
        """Keeps acks back, so that the broker sends nothing new beyond the prefetch, until `release`."""
        self._held = True

    async def release(self) -> None:
        """Sends what was kept back, and what waits for company."""
        self._held = False
        await self.send()

    async def run(self) -> None:
        """Sends what has waited for company long enough, until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(WAIT_S)
            self._some.clear()
            await self.send()

    def opened(self, delivery: Delivery) -> None:
        """A delivery arrived."""
        acks = self._channels.get(delivery.channel)
        if acks is None:
            self._channels = {each: acks for each, acks in self._channels.items() if not each.is_closed}
            acks = self._channels[delivery.channel] = Acks(delivery.channel)
        acks.opened(delivery.tag)

    async def done(self, deliveries: Iterable[Delivery]) -> None:
        """Deliveries are finished: failures, and those of a channel that has enough, are acked now, the others soon."""
        urgent = set()
        for delivery in deliveries:
            if (acks := self._channels.get(delivery.channel)) is not None:
                acks.finished(delivery.tag)
                if delivery.failure is not None or len(acks) >= ENOUGH:
                    urgent.add(acks)
        await self._send(urgent)
        self._some.set()

    async def send(self) -> None:
        """Acks whatever is finished, unless acks are held."""
        await self._send([acks for acks in self._channels.values() if len(acks)])

    async def _send(self, channels: Iterable[Acks]) -> None:
        if not self._held:
            for acks in channels:
                await acks.send()

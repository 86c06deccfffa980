"""Acks: a run of finished deliveries of one channel goes back as one `basic.ack multiple`."""

import asyncio
from collections.abc import Iterable

import structlog
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

from broker.delivery import Delivery

log = structlog.get_logger(__name__)


class Acks:
    """What one channel was delivered and has not acked.

    Tags rise by one from 1. `multiple` acks everything up to a tag, so it is used only as far as every tag was seen:
    behind a delivery that never reached us, finished ones go back one by one, and that one comes again.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel
        self._seen_through = 0
        self._open: dict[int, None] = {}  # in the order of the tags
        self._sending = asyncio.Lock()

    def opened(self, tag: int) -> None:
        """A delivery arrived."""
        if tag == self._seen_through + 1:
            self._seen_through = tag
            self._open[tag] = None

    async def done(self, tags: list[int]) -> None:
        """Acks finished deliveries: the run from the oldest with one frame, those behind a gap one by one.

        A channel that is gone takes no ack: the broker delivers again, and the receipt answers. One caller at a time: a
        `multiple` that overtook another ack would name a tag that is acked already, which closes the channel.
        """
        async with self._sending:
            for tag in tags:
                self._open.pop(tag, None)
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
        self._held: list[Delivery] | None = None

    def hold(self) -> None:
        """Keeps acks back, so that the broker sends nothing new beyond the prefetch, until `release`."""
        self._held = self._held or []

    async def release(self) -> None:
        """Sends what was kept back."""
        held, self._held = self._held or [], None
        await self.done(held)

    def opened(self, delivery: Delivery) -> None:
        """A delivery arrived."""
        acks = self._channels.get(delivery.channel)
        if acks is None:
            self._channels = {each: acks for each, acks in self._channels.items() if not each.is_closed}
            acks = self._channels[delivery.channel] = Acks(delivery.channel)
        acks.opened(delivery.tag)

    async def done(self, deliveries: Iterable[Delivery]) -> None:
        """Acks finished deliveries, channel by channel."""
        if self._held is not None:
            self._held.extend(deliveries)
            return
        by_channel: dict[AbstractChannel, list[int]] = {}
        for delivery in deliveries:
            by_channel.setdefault(delivery.channel, []).append(delivery.tag)
        for channel, tags in by_channel.items():
            acks = self._channels.get(channel)
            if acks is not None:
                await acks.done(sorted(tags))

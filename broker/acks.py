"""Acks: a run of finished deliveries of one channel goes back as one `basic.ack multiple`."""

from collections import OrderedDict

import structlog
from aio_pika.abc import AbstractIncomingMessage
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

log = structlog.get_logger(__name__)


class Acks:
    """What one channel was delivered and has not acked. Tags rise by one, so a run from the oldest can be one ack."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel
        self._open: OrderedDict[int, bool] = OrderedDict()

    def opened(self, tag: int) -> None:
        """A delivery arrived."""
        self._open[tag] = False

    async def done(self, tags: list[int]) -> None:
        """Acks finished deliveries: the run from the oldest with one frame, those behind a gap one by one.

        A channel that is gone takes no ack: the broker delivers again, and the receipt answers.
        """
        for tag in tags:
            self._open[tag] = True
        run = 0
        while self._open and next(iter(self._open.values())):
            run, _ = self._open.popitem(last=False)
        alone = [tag for tag in tags if tag > run]
        for tag in alone:
            del self._open[tag]
        try:
            if run:
                await self.channel.basic_ack(run, multiple=True)
            for tag in alone:
                await self.channel.basic_ack(tag)
        except (AMQPError, ChannelInvalidStateError, ConnectionError, RuntimeError) as error:
            log.info("ack.lost", channel=self.channel.number, deliveries=len(tags), error=repr(error))


class AckBook:
    """The acks of all channels of a process."""

    def __init__(self) -> None:
        self._channels: dict[AbstractChannel, Acks] = {}

    def opened(self, raw: AbstractIncomingMessage) -> None:
        """A delivery arrived."""
        channel = raw.channel
        acks = self._channels.get(channel)
        if acks is None:
            self._channels = {each: acks for each, acks in self._channels.items() if not each.is_closed}
            acks = self._channels[channel] = Acks(channel)
        assert raw.delivery_tag is not None
        acks.opened(raw.delivery_tag)

    async def done(self, raws: list[AbstractIncomingMessage]) -> None:
        """Acks finished deliveries, channel by channel."""
        by_channel: dict[AbstractChannel, list[int]] = {}
        for raw in raws:
            assert raw.delivery_tag is not None
            by_channel.setdefault(raw.channel, []).append(raw.delivery_tag)
        for channel, tags in by_channel.items():
            acks = self._channels.get(channel)
            if acks is not None:
                await acks.done(sorted(tags))

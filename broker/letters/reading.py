"""Reading a dead-letter queue without losing a letter or their order.

The letters of a queue are taken by one consumer, held unacked, and come back when its channel closes. Measured on
RabbitMQ 3.10.8 (quorum queue with a delivery limit, 600 messages, 500 held): what comes back by closing the channel
stands in its old order, before what arrived meanwhile; what comes back by `basic.nack`, one by one or `multiple`, does
not, and what was taken by `basic.get` does not either, because each get is a consumer of its own to the queue.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError, ChannelInvalidStateError
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelLockedResource

from broker.connection import Endpoint, connect
from broker.ending import breaks_told
from broker.letters.letter import Letter, letter_of
from broker.topology import Group

HELD_MAX = 10_000  # letters of one group at a time; a letter without its body takes about 3 KB
BODIES_BYTES_MAX = 64 << 20
LOCKED_WITHIN_S = 10.0
LOCK_EVERY_S = 0.05
QUIET_S = 3.0  # without another letter: somebody else has taken the rest
BACK_WITHIN_S = 5.0
BACK_EVERY_S = 0.01
READER = "quire.dead.reader"

BROKEN = (*CONNECTION_EXCEPTIONS, AMQPError, ChannelInvalidStateError, ConnectionError)


class LettersBusy(Exception):
    """Somebody else reads the dead letters of this group just now."""


class LettersUnavailable(Exception):
    """The broker is away, or went away: what was held and not settled is back."""


@dataclass(slots=True)
class Held:
    """A letter that we hold. `body` is None where it was not asked for, or where there was no room for it."""

    tag: int
    letter: Letter
    body: bytes | None


@dataclass(slots=True)
class Reading:
    """The letters of one queue, in order, held until the block ends. `standing` counts those that stood there."""

    group: Group
    standing: int
    held: list[Held] = field(default_factory=list)
    settled: int = 0
    _channel: AbstractChannel | None = None

    @property
    def truncated(self) -> bool:
        """Whether more letters stand behind those that were read."""
        return self.standing > len(self.held)

    async def settle(self, held: Held) -> None:
        """Takes a letter off the queue for good. Raises `LettersUnavailable` where the connection broke."""
        assert self._channel is not None
        try:
            with breaks_told():
                await self._channel.basic_ack(held.tag)
        except BROKEN as error:
            raise LettersUnavailable(f"the connection to the broker broke: {told(error)}") from error
        self.settled += 1


class Reader:
    """One connection on which dead letters are read; one reader of a group at a time, wherever it runs."""

    def __init__(self, connection: AbstractRobustConnection) -> None:
        self._connection = connection

    async def lock(self, group: Group) -> None:
        """Waits until nobody else reads this group; it stays ours until the connection closes.

        Raises `LettersBusy` after 10 s. The lock is a queue that belongs to a connection (AMQP 0-9-1, exclusive), so it
        goes with whoever holds it. An exclusive consumer would say the same, but a quorum queue of 3.10.8 lets a
        second one in (tried).
        """
        deadline = asyncio.get_running_loop().time() + LOCKED_WITHIN_S
        while True:
            channel = await self._connection.channel(publisher_confirms=False)
            underlay = await channel.get_underlay_channel()
            try:
                await underlay.queue_declare(f"{READER}.{group.name}", exclusive=True, auto_delete=True)
            except ChannelLockedResource as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise LettersBusy(f"somebody else reads {group.dead} just now: try again") from error
                await asyncio.sleep(LOCK_EVERY_S)
            else:
                return
            finally:
                if not channel.is_closed:
                    await channel.close()

    @asynccontextmanager
    async def read(
        self,
        group: Group,
        *,
        most: int = HELD_MAX,
        wants_body: Callable[[Letter], bool] = lambda _letter: False,
        bytes_max: int = BODIES_BYTES_MAX,
    ) -> AsyncIterator[Reading]:
        """Up to `most` letters that stand there now, held; those that are not settled go back in their order."""
        channel = await self._connection.channel(publisher_confirms=False)
        underlay = await channel.get_underlay_channel()
        standing = await _ready(underlay, group)
        reading = Reading(group, standing, [], 0, underlay)
        try:
            if standing:
                await _fill(reading, underlay, min(standing, most), wants_body, bytes_max)
            yield reading
        finally:
            if not channel.is_closed:
                await channel.close()
        await self._are_back(group, len(reading.held) - reading.settled)

    async def _are_back(self, group: Group, at_least: int) -> None:
        """Waits until the queue shows what was given back, so that the next look misses none of it."""
        try:
            # Round all of it: a connection that broke just now is waited for until it is back.
            async with asyncio.timeout(BACK_WITHIN_S):
                channel = await self._connection.channel(publisher_confirms=False)
                underlay = await channel.get_underlay_channel()
                while await _ready(underlay, group) < at_least:  # noqa: ASYNC110 - a queue tells nobody
                    await asyncio.sleep(BACK_EVERY_S)
                await channel.close()
        except TimeoutError:
            return  # somebody else took some, or the broker is away: there is nothing to wait for


async def _ready(channel: AbstractChannel, group: Group) -> int:
    return (await channel.queue_declare(group.dead, passive=True)).message_count or 0


async def _fill(
    reading: Reading,
    channel: AbstractChannel,
    want: int,
    wants_body: Callable[[Letter], bool],
    bytes_max: int,
) -> None:
    """Consumes `want` letters; bodies that are not wanted are dropped as they arrive."""
    arrived = asyncio.Event()
    room = bytes_max

    async def take(message: DeliveredMessage) -> None:
        nonlocal room
        if len(reading.held) >= want or message.delivery_tag is None:
            return
        letter = letter_of(reading.group, message)
        body = message.body if wants_body(letter) and letter.size <= room else None
        room -= len(body or b"")
        reading.held.append(Held(message.delivery_tag, letter, body))
        arrived.set()

    await channel.basic_qos(prefetch_count=want)
    consumer = await channel.basic_consume(reading.group.dead, take)
    try:
        while len(reading.held) < want:
            arrived.clear()
            async with asyncio.timeout(QUIET_S):
                await arrived.wait()
    except TimeoutError:
        reading.standing = len(reading.held)
    await channel.basic_cancel(str(consumer.consumer_tag))


@asynccontextmanager
async def reader(endpoint: Endpoint) -> AsyncIterator[Reader]:
    """A reader on a connection of its own. Raises `LettersUnavailable` where the broker is, or goes, away."""
    try:
        with breaks_told():
            connection = await connect(endpoint, name="quire dead letters")
            try:
                yield Reader(connection)
            finally:
                await connection.close()
    except BROKEN as error:
        raise LettersUnavailable(f"the broker cannot be asked for its dead letters: {told(error)}") from error


def told(error: BaseException) -> str:
    """A broken connection in words. A time limit that ran out has none of its own."""
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return str(error) or type(error).__name__

"""Publishes of one turn, as one write: to the byte what pamqp would send, and booked as aiormq books them."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import aio_pika
import aiormq
import pamqp.frame
import pytest
from aiormq.abc import ChannelFrame
from aiormq.exceptions import ChannelInvalidStateError, DeliveryError, PublishError
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from broker.lane import Label, Lane, marshalled
from tests.broker.house import until

SHORT = st.text(max_size=60)
LABELS = st.builds(
    Label,
    SHORT,
    SHORT,
    SHORT | st.none(),
    SHORT | st.none(),
    st.none() | st.dictionaries(SHORT, SHORT | st.booleans() | st.integers(-(2**31), 2**31), max_size=3),
)


@given(LABELS, st.binary(max_size=300), SHORT, st.booleans(), st.integers(20, 100))
def test_as_pamqp_would(label: Label, body: bytes, key: str, mandatory: bool, size: int) -> None:
    """Whatever a message is called and however long it is, the frames are those of aiormq's own publish."""
    channel = cast("Any", SimpleNamespace(number=3, max_content_size=size))
    method = spec.Basic.Publish(exchange="quire.commands", routing_key=key, mandatory=mandatory)
    header = ContentHeader(properties=label.properties(), body_size=len(body))
    frames: list[Any] = [method, header]
    frames += [ContentBody(body[begin : begin + size]) for begin in range(0, len(body), size)]
    expected = b"".join(pamqp.frame.marshal(frame, 3) for frame in frames)
    assert marshalled(channel, body, "quire.commands", key, label, mandatory=mandatory) == expected


def test_a_property_that_does_not_fit() -> None:
    """A text of more than 255 bytes is an error of the caller's, before anything is sent."""
    channel = cast("Any", SimpleNamespace(number=1, max_content_size=1000))
    with pytest.raises(ValueError, match="do not fit"):
        marshalled(channel, b"", "", "q", Label("x" * 256, "T"), mandatory=True)


@pytest.fixture
async def channel(rabbit_shop: str) -> AsyncIterator[aiormq.Channel]:
    """A confirming channel of a real broker."""
    async with await aio_pika.connect(rabbit_shop) as connection:
        opened = await connection.channel(publisher_confirms=True, on_return_raises=True)
        yield cast("aiormq.Channel", await opened.get_underlay_channel())


class Writes:
    """A channel's write queue, watched."""

    def __init__(self, queue: "asyncio.Queue[ChannelFrame]") -> None:
        self._queue = queue
        self.frames: list[ChannelFrame] = []

    async def put(self, frame: ChannelFrame) -> None:
        """See asyncio.Queue."""
        self.frames.append(frame)
        await self._queue.put(frame)


async def test_one_write(channel: aiormq.Channel) -> None:
    """What is published in one turn leaves together; every one has its own confirm, and nothing stays behind."""
    channel.write_queue = writes = cast("Any", Writes(channel.write_queue))
    lane = Lane(channel)
    await asyncio.gather(
        *(lane.publish(b"{}", "", "payments.dead", Label(f"m{n}", "T"), mandatory=True) for n in range(50))
    )
    assert len(writes.frames) == 1
    assert channel.delivery_tag == 50
    assert not channel.confirmations
    assert not channel.message_id_delivery_tag
    assert not lane._open


async def test_in_between(channel: aiormq.Channel) -> None:
    """aiormq's own publishes go between, and each hears of its own: confirmed, returned or refused."""
    await channel.queue_declare(
        "full", exclusive=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
    )
    lane = Lane(channel)

    async def usual(number: int, queue: str) -> Any:
        properties = spec.Basic.Properties(message_id=f"usual{number}")
        return await channel.basic_publish(b"", routing_key=queue, properties=properties, mandatory=True)

    async def quick(number: int, queue: str) -> None:
        await lane.publish(b"", "", queue, Label(f"quick{number}", "T"), mandatory=True)

    where = ("payments.dead", "nowhere", "full")
    outcomes = await asyncio.gather(
        *((usual if number % 2 else quick)(number, where[number % 3]) for number in range(60)),
        return_exceptions=True,
    )
    for number, outcome in enumerate(outcomes):
        error = (None, PublishError, DeliveryError)[number % 3]
        assert isinstance(outcome, error) if error else not isinstance(outcome, Exception)


async def test_cancelled_before_it_left(channel: aiormq.Channel) -> None:
    """It never leaves; one that is cancelled later is settled without a word."""
    await channel.queue_declare("mine", exclusive=True)
    lane = Lane(channel)
    gone = asyncio.create_task(lane.publish(b"gone", "", "mine", Label("gone", "T"), mandatory=True))

    async def both_wait() -> bool:
        return len(lane._waiting) == 2

    async with channel.lock:
        stays = asyncio.create_task(lane.publish(b"stays", "", "mine", Label("stays", "T"), mandatory=True))
        await until(both_wait, "both to wait for the lock")
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
    await stays
    late = asyncio.create_task(lane.publish(b"late", "", "nowhere", Label("late", "T"), mandatory=True))
    while not channel.confirmations:  # noqa: ASYNC110 - it is over soon
        await asyncio.sleep(0)
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    await lane.publish(b"last", "", "mine", Label("last", "T"), mandatory=True)
    assert [(await channel.basic_get("mine", no_ack=True)).body for _ in range(2)] == [b"stays", b"last"]


async def test_closed(channel: aiormq.Channel) -> None:
    """A channel that closes fails what was on its way, and what comes after."""
    lane = Lane(channel)
    sent = [
        asyncio.create_task(lane.publish(b"", "quire.never", "x", Label(f"m{n}", "T"), mandatory=True))
        for n in range(5)
    ]
    outcomes = await asyncio.gather(*sent, return_exceptions=True)
    assert all(isinstance(outcome, aiormq.exceptions.AMQPError | RuntimeError) for outcome in outcomes)
    with pytest.raises(ChannelInvalidStateError):
        await lane.publish(b"", "", "payments.dead", Label("after", "T"), mandatory=True)


async def test_large(channel: aiormq.Channel) -> None:
    """A body of many frames arrives whole."""
    await channel.queue_declare("mine", exclusive=True)
    body = bytes(range(256)) * 4096
    await Lane(channel).publish(body, "", "mine", Label("large", "T", "c", "r", {"n": 1}), mandatory=True)
    kept = await channel.basic_get("mine", no_ack=True)
    assert kept.body == body
    properties = kept.header.properties
    assert (properties.message_id, properties.message_type, properties.correlation_id) == ("large", "T", "c")
    assert (properties.reply_to, properties.headers, properties.delivery_mode) == ("r", {"n": 1}, 2)

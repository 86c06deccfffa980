"""Confirmed publishes below aiormq's `basic_publish`: those of one turn of the loop leave in one write.

What aiormq does for each publish (a lock, frames made of objects that are walked field by field, futures in two stores)
is most of what a publish costs its process; docs/performance.md has the figures. Its channel keeps the books all the
same, number for number: confirms, refusals and returns come through its reader, and what is published on the channel in
the usual way, the pulse, goes in between.
"""

import asyncio
from functools import lru_cache
from struct import Struct
from typing import Any, Final

import aiormq
import msgspec
import pamqp.frame
from aio_pika import DeliveryMode
from aiormq.abc import ChannelFrame
from aiormq.exceptions import ChannelInvalidStateError
from pamqp import commands as spec
from pamqp import encode
from pamqp.constants import FRAME_BODY, FRAME_END_CHAR, FRAME_HEADER

JSON: Final = "application/json"
FRAME: Final = Struct(">BHI")  # type, channel, bytes of what follows but for the end mark
HEADER: Final = Struct(">HxxQH")  # class, weight (0), bytes of the body, which properties there are
TEXT_BYTES_MAX: Final = 255
# Which bit says that a property is there (AMQP 0-9-1, basic class); they follow in this order.
CONTENT_TYPE, HEADERS, DELIVERY_MODE = 1 << 15, 1 << 13, 1 << 12
CORRELATION_ID, REPLY_TO, MESSAGE_ID, TYPE = 1 << 10, 1 << 9, 1 << 7, 1 << 5


class Label(msgspec.Struct, frozen=True):
    """What stands on a message beside its body; every one of ours is JSON, and persistent."""

    message_id: str
    type: str
    correlation_id: str | None = None
    reply_to: str | None = None
    headers: dict[str, Any] | None = None

    def properties(self) -> spec.Basic.Properties:
        """As aio-pika and the embedded broker take it."""
        return spec.Basic.Properties(
            content_type=JSON,
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=self.message_id,
            message_type=self.type,
            correlation_id=self.correlation_id,
            reply_to=self.reply_to,
            headers=self.headers,
        )


class Confirm:
    """Stands for a publish in the channel's books. A sender who stopped waiting is settled without a word."""

    __slots__ = ("_outcome",)

    def __init__(self, outcome: asyncio.Future[None]) -> None:
        self._outcome = outcome

    def done(self) -> bool:
        """The channel asks before it settles, and would complain."""
        return False

    def set_result(self, _: object) -> None:
        """Acked."""
        if not self._outcome.done():
            self._outcome.set_result(None)

    def set_exception(self, error: BaseException) -> None:
        """Refused or returned."""
        if not self._outcome.done():
            self._outcome.set_exception(error)


class Lane:
    """Publishes on one confirming channel, for as long as that stands."""

    def __init__(self, channel: aiormq.Channel) -> None:
        self.channel = channel
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[asyncio.Future[None], str, bytes]] = []
        self._open: dict[str, asyncio.Future[None]] = {}
        self._sending: asyncio.Task[None] | None = None
        self._closing = channel.closing
        self._closing.add_done_callback(self._closed)

    async def publish(
        self, body: bytes, exchange: str, routing_key: str, label: Label, *, mandatory: bool
    ) -> None:
        """Returns once it is confirmed. No two of one message id at a time: returns are told apart by it.

        Raises PublishError (returned), DeliveryError (refused), and what closed the channel where that closes. Waits
        without limit: who has waited enough cancels, and one that is given up before it left never leaves.
        """
        if self._closing.done():
            raise ChannelInvalidStateError(f"{self.channel!r} closed")
        frames = marshalled(self.channel, body, exchange, routing_key, label, mandatory=mandatory)
        outcome: asyncio.Future[None] = self._loop.create_future()
        self._open[label.message_id] = outcome
        self._waiting.append((outcome, label.message_id, frames))
        if self._sending is None:
            self._sending = self._loop.create_task(self._send(), name="publishes")
        try:
            await outcome
        finally:
            del self._open[label.message_id]
            self.channel.message_id_delivery_tag.pop(label.message_id, None)

    async def _send(self) -> None:
        try:
            while self._waiting:
                async with self.channel.lock:
                    # Numbered and queued under the lock, as aiormq does: the broker counts in the order of the wire.
                    payload = self._numbered()
                    if payload:
                        frame = ChannelFrame(payload=payload, should_close=False)
                        await self.channel.write_queue.put(frame)
        except ChannelInvalidStateError as error:
            self._fail(error)
        finally:
            self._sending = None

    def _numbered(self) -> bytes:
        """Everything that waits, entered in the channel's books."""
        channel, waiting = self.channel, self._waiting
        self._waiting = []
        payload: list[bytes] = []
        books: dict[int, Any] = channel.confirmations
        for outcome, message_id, frames in waiting:
            if outcome.done():
                continue
            channel.delivery_tag += 1
            books[channel.delivery_tag] = Confirm(outcome)
            channel.message_id_delivery_tag[message_id] = channel.delivery_tag
            payload.append(frames)
        return b"".join(payload)

    def _closed(self, closing: asyncio.Future[Any]) -> None:
        error = None if closing.cancelled() else closing.exception()
        if self._sending is not None:
            self._sending.cancel()  # nobody empties the queue that it may wait for
        self._fail(
            error if isinstance(error, Exception) else ChannelInvalidStateError(f"{self.channel!r} closed")
        )

    def _fail(self, error: Exception) -> None:
        self._waiting = []
        for outcome in self._open.values():
            if not outcome.done():
                outcome.set_exception(error)


def marshalled(
    channel: aiormq.Channel, body: bytes, exchange: str, routing_key: str, label: Label, *, mandatory: bool
) -> bytes:
    """A publish as it goes over the wire: method, header, and the body in as many frames as it takes."""
    number, size = channel.number, channel.max_content_size
    header = header_of(label, len(body))
    parts = [
        _method(exchange, routing_key, mandatory, number),
        *(FRAME.pack(FRAME_HEADER, number, len(header)), header, FRAME_END_CHAR),
    ]
    for begin in range(0, len(body), size):
        part = body[begin : begin + size]
        parts += (FRAME.pack(FRAME_BODY, number, len(part)), part, FRAME_END_CHAR)
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _method(exchange: str, routing_key: str, mandatory: bool, number: int) -> bytes:
    """There are as many as slots of groups, and a few events."""
    frame = spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory)
    return pamqp.frame.marshal(frame, number)


def header_of(label: Label, body_bytes: int) -> bytes:
    """The payload of a header frame: byte for byte what pamqp makes of `label.properties()`."""
    there = CONTENT_TYPE | DELIVERY_MODE
    parts = [b"", PLAIN_JSON]
    if label.headers is not None:
        there |= HEADERS
        parts.append(encode.field_table(label.headers))
    parts.append(PERSISTENT)
    for bit, text in (
        (CORRELATION_ID, label.correlation_id),
        (REPLY_TO, label.reply_to),
        (MESSAGE_ID, label.message_id),
        (TYPE, label.type),
    ):
        if text:
            there |= bit
            parts.append(_text(text))
    parts[0] = HEADER.pack(spec.Basic.frame_id, body_bytes, there)
    return b"".join(parts)


def _text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > TEXT_BYTES_MAX:
        raise ValueError(f"{len(raw)} bytes do not fit into a property, which takes {TEXT_BYTES_MAX}")
    return bytes((len(raw),)) + raw


PLAIN_JSON: Final = _text(JSON)
PERSISTENT: Final = bytes((DeliveryMode.PERSISTENT,))

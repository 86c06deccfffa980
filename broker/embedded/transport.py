"""aio-pika's connection on the embedded broker."""

import asyncio
from typing import Any
from weakref import WeakSet

import aiormq
from aio_pika import Connection, RobustConnection
from aio_pika.abc import AbstractRobustChannel, TimeoutType, UnderlayConnection
from aio_pika.robust_channel import RobustChannel
from aio_pika.tools import OneShotCallback
from aiormq.abc import AbstractChannel, ExceptionType
from pamqp import commands as spec
from yarl import URL

from broker.embedded.channel import EmbeddedChannel
from broker.embedded.server import EmbeddedServer

# Nothing listens there: aiormq wants an address, and logs show it.
ADDRESS = URL("amqp://embedded:5672/")
CAPABILITIES = {"basic.nack": True, "consumer_cancel_notify": True, "publisher_confirms": True}
CHANNELS_MAX = 65_535
RECONNECT_S = 0.2


class _Void(asyncio.Queue[Any]):
    """Where frames go that a client sends out of politeness (Channel.CloseOk): nobody needs them here."""

    async def put(self, item: Any) -> None:
        """Drop it."""

    def put_nowait(self, item: Any) -> None:
        """Drop it."""


class EmbeddedTransport(aiormq.Connection):
    """What aiormq would hold a socket for."""

    def __init__(self, server: EmbeddedServer, name: str) -> None:
        super().__init__(ADDRESS, loop=asyncio.get_running_loop())
        self.server = server
        self.name = name
        self.server_properties = {"product": "Quire", "capabilities": dict(CAPABILITIES)}
        self.connection_tune = spec.Connection.Tune(CHANNELS_MAX, 131_072, 0)
        self.write_queue = _Void()

    @property
    def is_opened(self) -> bool:
        """Whether the server knows this connection."""
        return self in self.server.transports and not self.is_closed

    async def connect(self, client_properties: Any = None) -> bool:  # noqa: ARG002
        """Be known to the server. Raises AMQPConnectionError when it is not running."""
        if not self.server.running:
            raise aiormq.exceptions.AMQPConnectionError("the embedded broker is not running: start it first")
        self.server.transports.append(self)
        self.connected.set()
        return True

    async def ready(self) -> None:
        """Wait until connected; nothing ever blocks an embedded connection."""
        await self.connected.wait()

    async def channel(  # type: ignore[override]
        self,
        channel_number: int | None = None,
        publisher_confirms: bool = True,
        frame_buffer_size: int = 0,  # noqa: ARG002
        timeout: TimeoutType = None,
        *,
        on_return_raises: bool = True,
    ) -> AbstractChannel:
        """Open a channel."""
        if self.is_closed:
            raise RuntimeError(f"{self!r} closed")
        if channel_number is None:
            channel_number = next(n for n in range(1, CHANNELS_MAX + 1) if n not in self.channels)
        elif channel_number in self.channels:
            raise ValueError(f"Channel {channel_number} already used")
        channel = EmbeddedChannel(
            self, channel_number, publisher_confirms=publisher_confirms, on_return_raises=on_return_raises
        )
        self.channels[channel_number] = channel
        await channel.open(timeout=timeout)
        return channel

    async def drop(self, why: str) -> None:
        """Close from the broker's side."""
        await self.close(aiormq.exceptions.ConnectionClosed(320, why))

    async def _on_close(self, exc: ExceptionType | None = None) -> None:
        if self in self.server.transports:
            self.server.transports.remove(self)
        for channel in tuple(self.channels.values()):
            if isinstance(channel, EmbeddedChannel):
                channel.release()
        for queue in tuple(self.server.topology.queues.values()):
            if queue.declaration.owner is self:
                self.server.topology.remove_queue(queue)
        if self._closing.done():
            return
        if exc is None:
            self._closing.set_result(None)
        else:
            self._closing.set_exception(exc)


class EmbeddedConnection(RobustConnection):
    """aio-pika's robust connection with its own channels, exchanges and queues, on an EmbeddedTransport.

    One that the broker dropped comes back by itself and restores what was declared and consumed, as
    RobustConnection does, as long as the server runs.
    """

    def __init__(self, server: EmbeddedServer, name: str) -> None:
        super().__init__(ADDRESS, client_properties={"connection_name": name})
        self.server = server
        self.name = name
        self._opened: WeakSet[AbstractRobustChannel] = WeakSet()
        self._recovery: asyncio.Task[None] | None = None

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ARG002
        """Connect. Raises AMQPConnectionError when the server is not running."""
        if self.is_closed:
            raise RuntimeError(f"{self!r} connection closed")
        connection = EmbeddedTransport(self.server, self.name)
        await connection.connect()
        closed = OneShotCallback(self._on_connection_close)
        connection.closing.add_done_callback(closed)
        self.transport = UnderlayConnection(connection=connection, close_callback=closed)
        await self._on_connected()

    def channel(
        self,
        channel_number: int | None = None,
        publisher_confirms: bool = True,
        on_return_raises: bool = False,
    ) -> AbstractRobustChannel:
        """A new channel, opened by awaiting it."""
        channel = super().channel(channel_number, publisher_confirms, on_return_raises)
        self._opened.add(channel)
        return channel

    async def reconnect(self) -> None:
        """Drop the transport and wait until the new one stands."""
        if self.transport is not None:
            await self.transport.connection.close()
        await self.connected.wait()

    async def close(self, exc: ExceptionType | None = asyncio.CancelledError) -> None:
        """Close for good."""
        self._close_called = True
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
        await super().close(exc)

    async def _on_connection_close(self, closing: asyncio.Future[Any]) -> None:
        await Connection._on_connection_close(self, closing)  # noqa: SLF001 - our own base class
        if not self._close_called and not self.is_closed:
            self._recover()

    def _request_recovery(self) -> None:
        if not self._close_called and not self.is_closed:
            self._recover()

    def _recover(self) -> None:
        if self._recovery is None or self._recovery.done():
            self._recovery = self.loop.create_task(self._restore())

    async def _restore(self) -> None:
        """Connect anew, or, while connected, consume again what the broker cancelled."""
        while self.server.running:
            await asyncio.sleep(RECONNECT_S)
            if self.transport is None or self.transport.connection.is_closed:
                await self.connect()
                continue
            channels = [channel for channel in self._opened if isinstance(channel, RobustChannel)]
            again = [await c._restore_consumers() for c in channels if not c.is_closed]  # noqa: SLF001
            if not any(again):
                return

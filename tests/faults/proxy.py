"""A TCP proxy that is as bad as networks are: slow, silent, one way, cut off, gone.

Silence holds bytes back and delivers them in order once it is over, as TCP does after a partition; a cut or a reset
ends connections with RST, so that neither side is told more than that.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Self

CHUNK_BYTES = 1 << 16
LINGER_NONE = struct.pack("ii", 1, 0)  # close sends RST

Direction = Literal["up", "down"]  # to the server, and back
BOTH: tuple[Direction, ...] = ("up", "down")


class Proxy:
    """Listens on a port of 127.0.0.1 and passes on to another one. Made by `Proxy.start`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.latency_s = 0.0
        self.refusing = False
        self._open = {direction: asyncio.Event() for direction in BOTH}
        self._left: dict[Direction, int | None] = dict.fromkeys(BOTH)
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self.heal()

    @classmethod
    async def start(cls, target: int) -> Self:
        """A proxy to a port of 127.0.0.1; whether anybody listens there is asked anew by each connection."""
        proxy = cls(target)
        proxy._server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        proxy.port = proxy._server.sockets[0].getsockname()[1]
        return proxy

    async def close(self) -> None:
        """Ends it and every connection."""
        if self._server is not None:
            self._server.close()
        self.reset()
        while self._links:
            await asyncio.wait([link.task for link in self._links])

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._links)

    def heal(self) -> None:
        """Passes everything on again, at once."""
        self.latency_s = 0.0
        self.refusing = False
        self._left = dict.fromkeys(BOTH)
        for direction in BOTH:
            self._open[direction].set()

    def silence(self, *directions: Direction) -> None:
        """Nothing passes any more in these directions (none named: in both); connections stay."""
        for direction in directions or BOTH:
            self._open[direction].clear()

    def reset(self) -> None:
        """Every connection ends with RST, on both sides."""
        for link in tuple(self._links):
            link.reset()

    def refuse(self) -> None:
        """As if nobody listened: connections end, new ones are reset."""
        self.refusing = True
        self.reset()

    def cut_after(self, count: int, direction: Direction = "down") -> None:
        """That many bytes more pass in a direction, over all connections; then the one that sends them is reset."""
        self._left[direction] = count

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near = (reader, writer)
        if self.refusing:
            _abort(writer)
            return
        try:
            far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _abort(writer)
            return
        link = _Link(self, near, far)
        self._links.add(link)
        link.task.add_done_callback(lambda _: self._links.discard(link))

    async def pump(
        self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Passes one direction of a connection on until it ends."""
        while True:
            await self._open[direction].wait()
            data = await reader.read(CHUNK_BYTES)
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            await self._open[direction].wait()  # what was on its way when silence fell
            left = self._left[direction]
            if left is not None:
                self._left[direction] = None if left <= len(data) else left - len(data)
                if left <= len(data):
                    writer.write(data[:left])
                    raise ConnectionResetError
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, near: Stream, far: Stream) -> None:
        self._writers = (near[1], far[1])
        self._pumps = (
            asyncio.create_task(proxy.pump("up", near[0], far[1])),
            asyncio.create_task(proxy.pump("down", far[0], near[1])),
        )
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        ends = await asyncio.gather(*(self._pump(each) for each in self._pumps))
        if all(ends):
            for writer in self._writers:
                writer.close()

    async def _pump(self, pump: asyncio.Task[None]) -> bool:
        """Whether that direction ended in order; otherwise the connection is reset."""
        try:
            await pump
        except (OSError, RuntimeError, asyncio.CancelledError):  # uvloop: the transport is closed already
            self.reset()
            return False
        return True

    def reset(self) -> None:
        """Ends it with RST."""
        for writer in self._writers:
            _abort(writer)
        for pump in self._pumps:
            pump.cancel()


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError, ValueError):  # closed already (the latter in uvloop)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
    writer.transport.abort()


@asynccontextmanager
async def proxy_to(target: int) -> AsyncIterator[Proxy]:
    """A proxy for as long as the block lasts."""
    proxy = await Proxy.start(target)
    try:
        yield proxy
    finally:
        await proxy.close()

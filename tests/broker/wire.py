"""A connection to a broker that a test can cut, hold and mend."""

import asyncio

from yarl import URL


class Wire:
    """A TCP proxy that can be cut and mended."""

    def __init__(self, url: str) -> None:
        self.target = URL(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()
        self.port = 0

    @property
    def url(self) -> str:
        """The address of this end."""
        return str(self.target.with_port(self.port))

    async def mend(self) -> None:
        """Takes connections, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Ends every connection and takes no more."""
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    def hold(self) -> None:
        """Passes nothing on, either way; connections stand."""
        self._open.clear()

    def release(self) -> None:
        """Passes on what was held, and whatever comes."""
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        away, there = await asyncio.open_connection(self.target.host, self.target.port)
        self._writers |= {writer, there}
        await asyncio.gather(self._pump(reader, there), self._pump(away, writer))
        self._writers -= {writer, there}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

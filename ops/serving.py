"""uvicorn within a process that decides for itself when it stops: the edge's routes, a worker's health and metrics."""

import asyncio
import socket
from asyncio import TimerHandle
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

STOP_WITHIN_S = 15  # what a client has not taken or sent by then is cut off; nothing here is lost with it
IDLE_S = (
    75  # longer than proxies keep a connection (nginx and AWS 60 s), so that none sends into one just closed
)
HEAD_BYTES_MAX = 64 * 1024
HEAD_WITHIN_S = 30.0
TOO_LONG = STATUS_LINE[431] + b"connection: close\r\ncontent-length: 0\r\n\r\n"


class PortTaken(OSError):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"http://{host}:{port} cannot be opened ({error.strerror}): choose another with --port"
        )


class Connection(HttpToolsProtocol):
    """A client's connection, whose requests must have a head within bounds; uvicorn itself has none.

    A head, request line and headers, that goes on for more than 64 KiB after its first piece (as read: 256 KiB at most)
    is answered 431 (RFC 6585), and one that is not there 30 s after that, or after the connection was opened, is not
    waited for.
    """

    _in_head = True
    _begun = False
    _head_bytes = 0
    _head_due: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self._limit_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It went away."""
        super().connection_lost(exc)
        self._free_head()

    def data_received(self, data: bytes) -> None:
        """What it sent: a piece of one request, or several requests."""
        self._begun = False
        super().data_received(data)
        if not self._in_head:
            return
        self._limit_head()
        # Before the first byte of this head the same piece may hold the body of another request.
        self._head_bytes = 0 if self._begun else self._head_bytes + len(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.transport.write(TOO_LONG)
            self.transport.close()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head = self._begun = True

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head = False
        self._free_head()
        super().on_headers_complete()

    def _limit_head(self) -> None:
        if self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_WITHIN_S, self.timeout_keep_alive_handler)

    def _free_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process decides when it stops."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


@dataclass(frozen=True, slots=True)
class Answering:
    """A server at work: where, and what ends with it."""

    url: str
    _task: asyncio.Task[None]

    async def ended(self) -> None:
        """Returns once it has ended. Raises what ended it."""
        await asyncio.shield(self._task)


@asynccontextmanager
async def answering(
    application: Any, host: str, port: int, *, lifespan: bool = False
) -> AsyncIterator[Answering]:
    """An ASGI application on an address (port 0: a free one), for as long as the block lasts. Raises `PortTaken`.

    At the end whoever is being answered is waited for, 15 s at most. Addresses in X-Forwarded-For are not believed: any
    client can write them.
    """
    config = uvicorn.Config(
        application,
        http=Connection,
        ws="none",
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    server = Server(config)
    listening = listen(host, port)
    task = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    try:
        yield Answering(f"http://{host}:{listening.getsockname()[1]}", task)
    finally:
        server.should_exit = True
        try:
            await task
        finally:
            listening.close()


def listen(host: str, port: int) -> socket.socket:
    """The open port; 0 takes a free one. Raises `PortTaken`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise PortTaken(host, port, error) from error

"""uvicorn within a process that decides for itself when it stops: the edge's routes, a worker's health and metrics."""

import asyncio
import socket
from asyncio import TimerHandle
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

STOP_WITHIN_S = 15  # what a client has not taken or sent by then is cut off; nothing here is lost with it
# Longer than proxies keep a connection (nginx, AWS: 60 s), so that none sends into one just closed.
IDLE_S = 75
HEAD_BYTES_MAX = 64 * 1024
HEAD_WITHIN_S = 30.0
OFFER = (b"connection", b"upgrade", b"http2-settings")
TOO_LONG = STATUS_LINE[431] + b"connection: close\r\ncontent-length: 0\r\n\r\n"


class PortTaken(OSError):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"http://{host}:{port} cannot be opened ({error.strerror}): choose another with --port"
        )


class Connection(HttpToolsProtocol):
    """A client's connection; uvicorn's, and what it does not bound or understand.

    - What is no body, a head (request line and headers) or trailers, may go on for 64 KiB after its first piece (as
      read: 256 KiB at most); then it is answered 431 (RFC 6585), or the connection ends. Trailers are dropped.
    - Whoever has no answer due has 30 s to send a whole head: from the start, or from the first byte after an answer.
    - A request that offers an upgrade is answered as if it had not (RFC 9110, 7.8). uvicorn 0.54 would lose its body.
    """

    _in_head = True
    _moved = False
    _unread_bytes = 0
    _refused = False
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
        if self._refused:
            return
        self._moved = False
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._read_on(data[upgrade.args[0] :])
        except HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        self._bound(len(data))

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head = self._moved = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; or a trailer, which nobody here asks for."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._moved = True
        if not self.parser.should_upgrade():
            self._in_head = False
            self._free_head()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Its end."""
        self._moved = True
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _read_on(self, rest: bytes) -> None:
        """Reads a head that offered an upgrade once more without the offer, and what came after it."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        self.parser = HttpRequestParser(self)
        if method == b"CONNECT":
            self.send_400_response("This is no proxy.")
            return
        kept = [b"%b: %b\r\n" % header for header in self.headers if header[0] not in OFFER]
        wishes = [value for name, value in self.headers if name == b"connection"]
        if any(wish.strip().lower() == b"close" for value in wishes for wish in value.split(b",")):
            kept.append(b"connection: close\r\n")
        self.data_received(b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(kept)) + rest)

    def _bound(self, count: int) -> None:
        self._unread_bytes = 0 if self._moved else self._unread_bytes + count
        if self.transport.is_closing():
            return
        if self._unread_bytes > HEAD_BYTES_MAX:
            self._refused = True
            if not self._answer_is_due():
                self.transport.write(TOO_LONG)
                self.transport.close()
            elif self.cycle.more_body:
                self.transport.close()  # trailers: whoever reads the body is told that its sender went away
            else:
                self.cycle.keep_alive = False
        elif self._in_head or (not self._answer_is_due() and self.timeout_keep_alive_task is None):
            self._limit_head()

    def _answer_is_due(self) -> bool:
        cycle: Any = self.cycle  # the latest; None before the first
        return cycle is not None and not cycle.response_complete

    def _limit_head(self) -> None:
        if self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_WITHIN_S, self._late)

    def _late(self) -> None:
        self._head_due = None
        if self._answer_is_due():
            self._limit_head()
        else:
            self.timeout_keep_alive_handler()

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
    application: Any, host: str, port: int, *, lifespan: bool = False, proxies: str = ""
) -> AsyncIterator[Answering]:
    """An ASGI application on an address (port 0: a free one), for as long as the block lasts. Raises `PortTaken`.

    At the end whoever is being answered is waited for, 15 s at most. Addresses in X-Forwarded-For are believed only
    of `proxies`, addresses or networks separated by commas: any client can write them.
    """
    config = uvicorn.Config(
        application,
        http=Connection,
        ws="none",
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    server = Server(config)
    listening = listen(host, port)
    task = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    try:
        name = f"[{host}]" if ":" in host else host
        yield Answering(f"http://{name}:{listening.getsockname()[1]}", task)
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
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise PortTaken(host, port, error) from error

"""A lean HTTP/1.1 client: the shoppers share the machine with what they measure.

One request at a time on one connection, built by the caller as bytes, parsed by httptools (the parser of Node.js).
What it costs beside aiohttp stands in docs/performance.md.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import msgspec

from ops.bench.figures import WentWrong

ANSWER_WITHIN_S = 60.0


class Answer(msgspec.Struct, frozen=True):
    """A status and a body."""

    status: int
    body: bytes

    def expect(self, status: int) -> bytes:
        """The body. Raises `WentWrong` for any other status."""
        if self.status != status:
            raise WentWrong(f"an answer was {self.status} instead of {status}: {self.body[:300]!r}")
        return self.body


class Connection(asyncio.Protocol):
    """One kept-alive connection to one edge; it connects at the first request and again after it was closed."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._done: asyncio.Future[Answer] | None = None
        self._body: list[bytes] = []
        self._piece: Callable[[bytes], object] | None = None

    async def send(self, request: bytes, piece: Callable[[bytes], object] | None = None) -> Answer:
        """One request, to the end of its answer. Raises `ConnectionError`, and `TimeoutError` after a minute.

        `piece` is handed the body as it comes (a stream); the answer's own is empty then. Once it returns something
        true the connection is closed, and the answer has status 200.
        """
        if self._transport is None:
            await asyncio.get_running_loop().create_connection(lambda: self, self._host, self._port)
        assert self._transport is not None
        self._piece = piece
        self._done = asyncio.get_running_loop().create_future()
        timer = asyncio.get_running_loop().call_later(ANSWER_WITHIN_S, self._late)
        try:
            self._transport.write(request)
            return await self._done
        finally:
            timer.cancel()
            self._done = self._piece = None

    def close(self) -> None:
        """Ends the connection; the next request makes a new one."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _late(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(TimeoutError(f"no answer within {ANSWER_WITHIN_S:g} s"))
            self.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's says so, and is not one by class
        self._parser = httptools.HttpResponseParser(self)
        self._body = []

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop; whoever waits for an answer hears of it."""
        self._transport = None
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionError("the edge closed the connection"))

    # httptools

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if self._piece is None:
            self._body.append(body)
        elif self._piece(body) and self._done is not None and not self._done.done():
            self._done.set_result(Answer(200, b""))
            self.close()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        answer = Answer(self._parser.get_status_code(), b"".join(self._body))
        self._body = []
        if self._done is not None and not self._done.done():
            self._done.set_result(answer)


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as it goes over the wire; a body is JSON."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: quire",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    elif method != "GET":
        lines.append("Content-Length: 0")
    return "\r\n".join([*lines, "", ""]).encode() + body

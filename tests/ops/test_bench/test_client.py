"""The lean client reads answers however they arrive."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ops.bench.client import Answer, Connection, request
from ops.bench.figures import WentWrong

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[Connection]:
    """A connection to a server that does this with each of its connections."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    connection = Connection(f"http://{host}:{port}")
    async with server:
        yield connection
        connection.close()


def in_pieces(*pieces: bytes, then_close: bool = False) -> Serve:
    """Answers each request with these, sent one by one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if then_close:
                break
        writer.close()

    return serve


def test_a_request_says_how_long_its_body_is() -> None:
    """A POST without one says 0, a GET nothing."""
    with_body = request("POST", "/v1/orders", {"Cart-Token": "t"}, b'{"a":1}')
    assert with_body.startswith(b"POST /v1/orders HTTP/1.1\r\nHost: ")
    assert b"\r\nCart-Token: t\r\n" in with_body
    assert with_body.endswith(b'Content-Length: 7\r\n\r\n{"a":1}')
    assert request("POST", "/", {}).endswith(b"Content-Length: 0\r\n\r\n")
    assert b"Content-Length" not in request("GET", "/", {})


async def test_two_answers_on_one_connection() -> None:
    """An answer cut into pieces anywhere is whole, and the next one begins where it ended."""
    pieces = (
        b"HTTP/1.1 20",
        b"2 Accepted\r\nContent-Le",
        b"ngth: 4\r\n\r\n{",
        b'"":',
        b"HTTP/1.1 409 No\r\n",
    )
    rest = (b"Content-Length: 0\r\n\r\n",)
    async with served(in_pieces(*pieces[:-1])) as connection:
        assert await connection.send(request("GET", "/", {})) == Answer(202, b'{"":')
        assert await connection.send(request("GET", "/", {})) == Answer(202, b'{"":')
    async with served(in_pieces(pieces[-1], *rest)) as connection:
        answer = await connection.send(request("GET", "/", {}))
        with pytest.raises(WentWrong, match="409 instead of 200"):
            answer.expect(200)


async def test_a_chunked_body_is_put_together() -> None:
    """As it was before it was cut."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with served(in_pieces(head, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n")) as connection:
        assert await connection.send(request("GET", "/", {})) == Answer(200, b"abcde")


async def test_a_stream_is_read_until_what_was_waited_for() -> None:
    """Then the connection is closed, and the next request makes a new one."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    seen: list[bytes] = []

    def piece(body: bytes) -> bool:
        seen.append(body)
        return body == b"confirmed"

    async with served(in_pieces(head, b"6\r\nplaced\r\n", b"9\r\nconfirmed\r\n")) as connection:
        for _ in range(2):
            assert (await connection.send(request("GET", "/", {}), piece)).status == 200
    assert seen == [b"placed", b"confirmed"] * 2


async def test_a_closed_connection_is_an_error_and_not_an_answer() -> None:
    """Whoever waits hears of it."""
    async with served(
        in_pieces(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then_close=True)
    ) as connection:
        with pytest.raises(ConnectionError):
            await connection.send(request("GET", "/", {}))

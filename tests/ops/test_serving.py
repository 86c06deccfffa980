"""What every HTTP server of ours does, whatever it answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ops import serving
from ops.serving import HEAD_BYTES_MAX, Answering, PortTaken, answering, listen

WITHIN_S = 30
NOW = asyncio.Event()


async def says_who_asks(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the address that the request came from and its body; under /later once /now was asked for."""
    if scope["path"] == "/later":
        await NOW.wait()
    if scope["path"] == "/now":
        NOW.set()
    sent = b""
    while scope["method"] == "POST":
        message = await receive()
        sent += message["body"]
        if not message["more_body"]:
            break
    body = f"{scope['client'][0]} {len(sent)} {len(scope['headers'])}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def server() -> AsyncIterator[Answering]:
    """A server that answers."""
    NOW.clear()
    async with answering(says_who_asks, "127.0.0.1", 0) as serving_it:
        yield serving_it


WHOLE = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"


async def said(server: Answering, *pieces: bytes) -> bytes:
    """What a connection is answered until it is closed; each piece is read before the next is sent."""
    async with asyncio.timeout(WITHIN_S):
        reader, writer = await connected(server)
        for piece in pieces[:-1]:
            writer.write(piece)
            await writer.drain()
            await said(server, WHOLE)  # whoever is answered now came later
        writer.write(pieces[-1])
        answer = await reader.read()
        writer.close()
        return answer


async def connected(server: Answering) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to it."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def test_requests_are_answered_one_after_the_other(server: Answering) -> None:
    """Two in one piece, the second of which asks for the end of the connection."""
    twice = b"GET / HTTP/1.1\r\nhost: here\r\n\r\nGET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"
    answer = await said(server, twice[:40], twice[40:])
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"server:" not in answer


async def test_nobody_chooses_an_address(server: Answering) -> None:
    """X-Forwarded-For is any client's to write: limits and throttles do not count by it."""
    lie = b"GET / HTTP/1.1\r\nhost: here\r\nx-forwarded-for: 203.0.113.7\r\nconnection: close\r\n\r\n"
    assert b"\r\n127.0.0.1 " in await said(server, lie)
    async with answering(says_who_asks, "127.0.0.1", 0, proxies="127.0.0.1") as behind:
        assert b"\r\n203.0.113.7 " in await said(behind, lie)


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"], ids=["first", "second"])
@pytest.mark.parametrize("line", [b"", b"x: y\r\n"], ids=["one header", "many"])
async def test_a_head_without_end_is_refused(server: Answering, before: bytes, line: bytes) -> None:
    """431, and the connection is closed: the first request or a later one."""
    start = before + b"GET / HTTP/1.1\r\nhost: here\r\n"
    lines = line * (HEAD_BYTES_MAX // 2 // 6)
    answer = await said(server, start, lines + b"x: ".ljust(HEAD_BYTES_MAX + 1 - len(lines), b"y"))
    assert b"HTTP/1.1 431 " in answer
    assert answer.count(b"HTTP/1.1 200 OK") == (1 if before else 0)


async def test_a_long_head_is_read(server: Answering) -> None:
    """Up to the bound everything is taken; bodies are none of it, and each request counts anew."""
    start = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 100000\r\n"
    cookie = b"cookie: ".ljust(HEAD_BYTES_MAX - 2, b"x") + b"\r\n"
    body = b"y" * 100_000
    pieces = (start, cookie, b"\r\n" + body[:10], body[10:] + start, cookie, b"\r\n" + body + WHOLE)
    assert (await said(server, *pieces)).count(b"HTTP/1.1 200 OK") == 3


async def test_trailers_are_bounded_and_dropped(server: Answering) -> None:
    """They are no headers of the request, and no way round the bound."""
    start = b"POST / HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n"
    assert (await said(server, start + b"x: y\r\n\r\n")).endswith(b"127.0.0.1 3 3")
    assert b"HTTP/1.1 200" not in await said(server, start, b"x: ".ljust(HEAD_BYTES_MAX + 1, b"y"))


async def test_who_is_owed_an_answer_gets_it(server: Answering) -> None:
    """What comes too long behind a request is refused with the end of the connection, after the answer."""
    later = b"GET /later HTTP/1.1\r\nhost: here\r\n\r\n" + b"GET / HTTP/1.1\r\n"
    async with asyncio.timeout(WITHIN_S):
        reader, writer = await connected(server)
        writer.write(later)
        await said(server, WHOLE)
        writer.write(b"x: ".ljust(HEAD_BYTES_MAX + 1, b"y"))
        await said(server, WHOLE)
        await said(server, WHOLE.replace(b"/", b"/now", 1))
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"431" not in answer


async def test_an_offer_of_an_upgrade_may_come_with_a_goodbye(server: Answering) -> None:
    """The rest of `Connection` means what it says."""
    offer = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: Upgrade, close\r\nupgrade: h2c\r\n\r\n"
    assert (await said(server, offer)).count(b"HTTP/1.1 200 OK") == 1


@pytest.mark.parametrize("pieces", [1, 2])
async def test_an_upgrade_that_is_offered_is_not_taken(server: Answering, pieces: int) -> None:
    """The request is answered as it is, body and all, in one piece or two; and the next one too."""
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    head = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 5\r\n" + offer + b"\r\n"
    sent = (head + b"hello" + WHOLE,) if pieces == 1 else (head, b"hello" + WHOLE)
    answer = await said(server, *sent)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"127.0.0.1 5 2" in answer


async def test_a_tunnel_is_refused(server: Answering) -> None:
    """CONNECT is a proxy's business."""
    assert b"HTTP/1.1 400 " in await said(server, b"CONNECT shop:443 HTTP/1.1\r\nhost: shop\r\n\r\n")


@pytest.mark.parametrize(
    "sent",
    [(b"",), (b"GET / HTTP/1.1\r\nhost: he",), (b"GET / HTTP/1.1\r\nhost: here\r\n\r\n", b"\r\n")],
    ids=["nothing", "a piece", "an empty line after an answer"],
)
async def test_a_head_that_does_not_come_is_not_waited_for(
    server: Answering, sent: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is closed, so nobody holds it by sending nothing."""
    monkeypatch.setattr(serving, "HEAD_WITHIN_S", 0.05)
    answer = await said(server, *sent)
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1") == len(sent) - 1


async def test_a_port_that_is_taken_is_named() -> None:
    """Starting on a port that somebody has says which."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f":{port} cannot be opened"):
            async with answering(says_who_asks, "127.0.0.1", port):
                pass

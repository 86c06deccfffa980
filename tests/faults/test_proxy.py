"""The proxy does to connections what its methods say, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from tests.faults.proxy import Proxy, proxy_to


class Pair(NamedTuple):
    """One connection through a proxy: `server` has what arrives at the far end."""

    proxy: Proxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """A server, a proxy to it, and a client of the proxy."""
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *stream: accepted.put_nowait(stream), "127.0.0.1", 0)
    async with proxy_to(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        while not proxy.connections:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
        yield Pair(proxy, reader, writer, accepted)
        writer.close()
    server.close()


async def until_reset(reader: asyncio.StreamReader) -> tuple[bytes, ConnectionError | None]:
    """What arrives, and the error that ends it; None where it ends in order."""
    received = b""
    try:
        while piece := await reader.read(1):
            received += piece
    except ConnectionError as error:
        return received, error
    return received, None


async def test_bytes_pass_both_ways(pair: Pair) -> None:
    """What is written at one end arrives at the other, and the end of it too."""
    far_reader, far_writer = await pair.server.get()
    pair.writer.write(b"to the server")
    assert await far_reader.readexactly(13) == b"to the server"
    far_writer.write(b"and back")
    far_writer.write_eof()
    assert await pair.reader.read() == b"and back"


async def test_silence_holds_back_and_loses_nothing(pair: Pair) -> None:
    """Silent one way, the other still passes; what was held back arrives in order after it healed."""
    far_reader, far_writer = await pair.server.get()
    pair.proxy.silence("up")
    pair.writer.write(b"first ")
    await pair.writer.drain()
    far_writer.write(b"down")
    assert await pair.reader.readexactly(4) == b"down"
    assert not far_reader._buffer  # type: ignore[attr-defined]
    pair.writer.write(b"second")
    pair.proxy.heal()
    assert await far_reader.readexactly(12) == b"first second"


async def test_a_reset_ends_both_sides(pair: Pair) -> None:
    """RST arrives at client and server."""
    far_reader, _ = await pair.server.get()
    pair.proxy.reset()
    for reader in (pair.reader, far_reader):
        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def test_a_cut_comes_after_so_many_bytes(pair: Pair) -> None:
    """Exactly that many pass, then the connection is gone; the next one is whole."""
    far_reader, _ = await pair.server.get()
    pair.proxy.cut_after(5, "up")
    pair.writer.write(b"0123456789")
    received, error = await until_reset(far_reader)
    assert error is not None
    assert received in (b"", b"01234")  # a reset may overtake what was sent before it
    _, writer = await asyncio.open_connection("127.0.0.1", pair.proxy.port)
    again, _ = await pair.server.get()
    writer.write(b"0123456789")
    assert await again.readexactly(10) == b"0123456789"
    writer.close()


async def test_latency_delays_and_keeps_order(pair: Pair) -> None:
    """Slow as it is, everything arrives in its order."""
    far_reader, _ = await pair.server.get()
    pair.proxy.latency_s = 0.01
    for number in range(10):
        pair.writer.write(b"%d" % number)
        await pair.writer.drain()
    assert await far_reader.readexactly(10) == b"0123456789"


async def test_a_refusing_proxy_lets_nobody_in(pair: Pair) -> None:
    """As long as it refuses, new connections end at once; healed, they pass."""
    await pair.server.get()
    pair.proxy.refuse()
    reader, _ = await asyncio.open_connection("127.0.0.1", pair.proxy.port)
    received, error = await until_reset(reader)
    assert (received, error is not None) == (b"", True)
    pair.proxy.heal()
    _, writer = await asyncio.open_connection("127.0.0.1", pair.proxy.port)
    await pair.server.get()
    writer.close()

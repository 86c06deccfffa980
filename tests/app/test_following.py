"""Copies in an edge's memory, and a Redis that other edges drop from: heard, lost, frozen, emptied, not able to."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis as Client

from app.cache import LISTS, CachedReads, Entry, RedisCache, book_tag
from app.cache.following import SURE_S
from app.cache.heard import Mark
from ops.servers import Redis, ServerMissing
from tests.app.edges import until
from tests.app.shelves import isbn
from tests.conftest import missing

TAG, OTHER = book_tag(isbn(1)), book_tag(isbn(2))
PREFIX = "following:"


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[Redis]:
    """A Redis that a test may kill or freeze."""
    try:
        server = await Redis.start(tmp_path / "redis")
    except ServerMissing as error:
        missing(error)
    yield server
    await server.stop()


class Edge:
    """The reads of one edge process, and what its database says."""

    def __init__(self, url: str) -> None:
        self.cache = RedisCache(url, prefix=PREFIX)
        self.reads = CachedReads(self.cache)
        self.value = b"old"

    async def mark(self, tag: str = TAG, ttl_s: float = 60.0) -> Mark:
        """Reads an answer; its mark."""
        mark = (await self.entry(tag, ttl_s)).mark
        assert mark is not None
        return mark

    async def entry(self, tag: str = TAG, ttl_s: float = 60.0) -> Entry:
        """An answer, from the cache or else the database."""

        async def load() -> bytes:
            return self.value

        return await self.reads.read(tag, tag, load, ttl_s)

    @property
    def sure(self) -> bool:
        """Whether it hears of drops."""
        return time.monotonic() < self.cache.sure_until


async def edges_on(server: Redis, many: int) -> AsyncIterator[list[Edge]]:
    """Edges that follow."""
    edges = [Edge(server.url) for _ in range(many)]
    for edge in edges:
        edge.reads.start()
    for edge in edges:
        await until(lambda edge=edge: edge.sure)  # type: ignore[misc]
    yield edges
    for edge in edges:
        await edge.reads.close()


@pytest.fixture
async def two(own_redis: Redis) -> AsyncIterator[list[Edge]]:
    """Two edges that share a Redis."""
    async for edges in edges_on(own_redis, 2):
        yield edges


async def test_heard(two: list[Edge]) -> None:
    """What one edge drops is no longer good in the other's memory; what was not dropped still is."""
    one, other = two
    mine, list_mark, theirs = await one.mark(), await one.mark(LISTS), await one.mark(OTHER)
    assert all(one.reads.take(mark) for mark in (mine, list_mark, theirs))
    await other.reads.drop(isbn(1))
    await until(lambda: not one.reads.take(mine) and not one.reads.take(list_mark))
    assert one.reads.take(theirs)
    assert one.reads.take(await one.mark())


async def test_own_drop_at_once(two: list[Edge]) -> None:
    """The edge that drops needs no news of it."""
    one, _ = two
    mark = await one.mark()
    dropping = asyncio.create_task(one.reads.drop(isbn(1)))
    await asyncio.sleep(0)
    assert not one.reads.take(mark)
    await dropping


async def test_read_meanwhile(two: list[Edge]) -> None:
    """What was read before another edge's drop was heard is not good afterwards, though it was kept after it."""
    one, other = two
    begun, go = asyncio.Event(), asyncio.Event()

    async def load() -> bytes:
        begun.set()
        await go.wait()
        return b"old"

    reading = asyncio.create_task(one.reads.read("k", TAG, load, 60.0))
    await begun.wait()
    before = await one.mark()
    await other.reads.drop(isbn(1))
    await until(lambda: not one.reads.take(before))
    go.set()
    mark = (await reading).mark
    assert mark is not None
    assert not one.reads.take(mark)


async def test_no_longer_than_in_redis(two: list[Edge]) -> None:
    """A copy is good for as long as the entry that it was made from, not for as long again."""
    one, other = two
    await one.entry(ttl_s=2.0)
    asked_at = time.monotonic()
    await until(lambda: time.monotonic() > asked_at + 0.2)
    mark = await other.mark(ttl_s=2.0)
    assert mark.until < asked_at + 2.0


async def test_emptied(two: list[Edge], own_redis: Redis) -> None:
    """A Redis that was flushed takes every copy with it."""
    one, _ = two
    mark = await one.mark()
    async with Client.from_url(own_redis.url) as client:
        await client.flushall()
    await until(lambda: not one.reads.take(mark))
    assert one.sure


async def test_lost_drops_made_good(two: list[Edge], own_redis: Redis) -> None:
    """An edge that could not tell of its drops changes the epoch: the others' copies go, whatever they are of."""
    one, other = two
    mark = await one.mark(OTHER)
    other.cache._drops_lost = True
    await other.entry()
    await until(lambda: not one.reads.take(mark))


async def test_killed(two: list[Edge], own_redis: Redis) -> None:
    """Without Redis no copy is good; with the next one none of those before, and new ones are."""
    one, other = two
    mark = await one.mark()
    await own_redis.kill()
    await until(lambda: one.cache.sure_until == other.cache.sure_until == 0.0)  # at once, not after a second
    assert not one.reads.take(mark)
    assert (await one.entry()).mark is None
    again = await Redis.start(own_redis.child.log.parent, port=own_redis.port)
    try:
        await until(lambda: one.sure and other.sure)
        assert not one.reads.take(mark)
        await until_cached(one)
        mark = await one.mark()
        assert one.reads.take(mark)
        await other.reads.drop(isbn(1))
        await until(lambda: not one.reads.take(mark))
    finally:
        await again.stop()


async def test_frozen(two: list[Edge], own_redis: Redis) -> None:
    """A Redis that says nothing is not believed for longer than a second; once it goes on, copies are good again."""
    one, _ = two
    mark = await one.mark()
    assert one.cache.sure_until <= time.monotonic() + SURE_S
    own_redis.child.signal(signal.SIGSTOP)
    await until(lambda: not one.sure)
    assert not one.reads.take(mark)
    own_redis.child.signal(signal.SIGCONT)
    await until(lambda: one.sure)
    assert one.reads.take(mark)


async def test_connection_lost(two: list[Edge], own_redis: Redis) -> None:
    """A drop that fell between two connections is made good: nothing from before the second one is good."""
    one, other = two
    mark = await one.mark()
    async with Client.from_url(own_redis.url) as client:
        await client.client_kill_filter(_type="pubsub", skipme=True)
    await until(lambda: one.cache.sure_until == 0.0)
    await other.reads.drop(isbn(1))
    await until(lambda: one.sure)
    assert not one.reads.take(mark)


async def test_not_able_to(own_redis: Redis) -> None:
    """Where Redis does not let itself be followed every read asks it, as before."""
    async with Client.from_url(own_redis.url) as client:
        await client.acl_setuser(
            "narrow", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-client|tracking"]
        )
        edge = Edge(own_redis.url.replace("redis://", "redis://narrow:any@"))
        edge.reads.start()
        following = edge.cache._following
        assert following is not None
        await until(lambda: following._silent is not None)
        first = await edge.mark()
        assert not edge.reads.take(first)
        edge.value = b"new"
        assert (await edge.entry()).body == b"old"
        await edge.reads.drop(isbn(1))
        assert (await edge.entry()).body == b"new"
        assert not edge.sure
        await edge.reads.close()


async def until_cached(edge: Edge) -> None:
    """Until the edge asks Redis again, which it leaves alone for a second after a failure."""
    async with asyncio.timeout(10):
        while (await edge.entry()).mark is None:  # noqa: ASYNC110 - time is what opens it again
            await asyncio.sleep(0.05)


async def test_ends_whatever_it_does(own_redis: Redis) -> None:
    """An edge that stops while a ping leaves, or is answered, stops: a cancellation is not lost."""

    async def live(number: int) -> None:
        edge = Edge(own_redis.url)
        edge.reads.start()
        await asyncio.sleep(number / 200)
        async with asyncio.timeout(10):
            await edge.reads.close()

    await asyncio.gather(*(live(number) for number in range(100)))

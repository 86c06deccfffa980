"""The cache of the catalogue's reads: what it keeps, what it forgets, and what it does without Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.cache import LISTS, Cache, CachedReads, Entry, MemoryCache, RedisCache, book_tag
from broker.messages import BookChanged
from ops.servers import Redis
from tests.app.edges import until
from tests.app.shelves import isbn

ISBN = isbn(1)
TAG = book_tag(ISBN)


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """A database of one value, whose reads can be held; it counts them."""

    def __init__(self, value: bytes | None = b"old") -> None:
        self.value = value
        self.reads = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def load(self) -> bytes | None:
        """What is stored when the read begins."""
        value = self.value
        self.reads += 1
        self.begun.set()
        await self.go.wait()
        return value


@pytest.fixture(params=["memory", "redis"])
def made(request: pytest.FixtureRequest) -> Cache:
    """Both implementations: what holds for one holds for the other."""
    if request.param == "memory":
        return MemoryCache()
    server: Redis = request.getfixturevalue("redis_server")
    return RedisCache(server.url, prefix=f"{request.node.name}:")


@pytest.fixture
async def cache(made: Cache) -> AsyncIterator[Cache]:
    """One that is closed afterwards."""
    yield made
    await made.close()


async def read(reads: CachedReads, source: Source, ttl_s: float = 60.0) -> bytes | None:
    """The title, through the cache."""
    return (await reads.read("k", TAG, source.load, ttl_s)).body


async def test_kept(cache: Cache) -> None:
    """A second read comes from the cache, with the same strong validator, and builds nothing."""
    reads, source = CachedReads(cache), Source()
    first = await reads.read("k", TAG, source.load, 60.0)
    second = await reads.read("k", TAG, source.load, 60.0)
    assert first == second == Entry.of(b"old")
    assert first.etag.startswith('"')
    assert source.reads == 1


async def test_dropped(cache: Cache) -> None:
    """After BookChanged the next read sees the change, of the title and of every list; other titles stay."""
    reads, source, other = CachedReads(cache), Source(), Source()
    await read(reads, source)
    await reads.read("list", LISTS, source.load, 60.0)
    await reads.read("other", book_tag(isbn(2)), other.load, 60.0)
    source.value = b"new"
    await reads.on_book_changed(BookChanged(isbn=ISBN))
    assert await read(reads, source) == b"new"
    assert (await reads.read("list", LISTS, source.load, 60.0)).body == b"new"
    await reads.read("other", book_tag(isbn(2)), other.load, 60.0)
    assert other.reads == 1


async def test_single_flight(cache: Cache) -> None:
    """However many ask at once, the database is asked once; one who goes away ends nobody's read."""
    reads, source = CachedReads(cache), Source()
    source.go.clear()
    asking = [asyncio.create_task(read(reads, source)) for _ in range(20)]
    await until(lambda: reads.counts["books", "miss"] == len(asking))
    asking[0].cancel()
    source.go.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert answers[1:] == [b"old"] * 19
    assert source.reads == 1


async def test_race(cache: Cache) -> None:
    """Read old, change, drop, store old: the old answer is stored too late and never served."""
    reads, source = CachedReads(cache), Source()
    source.go.clear()
    slow = asyncio.create_task(read(reads, source))
    await source.begun.wait()
    source.value = b"new"
    await reads.drop(ISBN)
    meanwhile = asyncio.create_task(read(reads, source))
    source.go.set()
    assert await slow == b"old"
    assert await meanwhile == b"new"
    assert await read(reads, source) == b"new"


async def test_nothing_is_kept_shortly(cache: Cache) -> None:
    """That there is nothing is kept as well, and forgotten by a drop."""
    reads, source = CachedReads(cache), Source(None)
    assert await read(reads, source) is None
    assert await read(reads, source) is None
    assert source.reads == 1
    source.value = b"new"
    await reads.drop(ISBN)
    assert await read(reads, source) == b"new"


async def test_error_is_not_kept(cache: Cache) -> None:
    """A read that fails fails for those who wait for it, and the next one tries again."""
    reads, source = CachedReads(cache), Source()

    async def fails() -> bytes | None:
        raise ConnectionError("the database is away")

    with pytest.raises(ConnectionError):
        await reads.read("k", TAG, fails, 60.0)
    assert await read(reads, source) == b"old"


async def test_time_is_over() -> None:
    """An entry is good until its time is over: the net under drops that got lost."""
    clock = Clock()
    reads, source = CachedReads(MemoryCache(clock=clock)), Source()
    await read(reads, source, ttl_s=10)
    clock.now += 9.9
    await read(reads, source, ttl_s=10)
    assert source.reads == 1
    clock.now += 0.2
    await read(reads, source, ttl_s=10)
    assert source.reads == 2


async def test_bounded() -> None:
    """Memory is bounded in entries and in bytes; what was not asked for longest goes first."""
    cache = MemoryCache(entries_max=3, bytes_max=2000)
    for key in "abc":
        await cache.put(key, "0", Entry.of(b"x"), 60)
    await cache.get("a", TAG)
    await cache.put("d", "0", Entry.of(b"x"), 60)
    kept = [key for key in "abcd" if (await cache.get(key, TAG)).entry]
    assert kept == ["a", "c", "d"]
    await cache.put("big", "0", Entry.of(b"x" * 1700), 60)
    assert [key for key in ("a", "c", "d", "big") if (await cache.get(key, TAG)).entry] == ["big"]
    await cache.put("huge", "0", Entry.of(b"x" * 5000), 60)
    assert (await cache.get("big", TAG)).entry


async def test_redis_away(redis_server: Redis) -> None:
    """Without Redis reads go to the database, quickly; drops that could not be told count once it is back."""
    clock = Clock()
    cache = RedisCache(redis_server.url, prefix="away:", clock=clock)
    reads, source = CachedReads(cache), Source()
    assert await read(reads, source) == b"old"
    await cache._redis.set("away:probe", b"1")
    there, gone = cache._redis, RedisCache("redis://127.0.0.1:1/0")._redis
    cache._redis = gone
    assert await read(reads, source) == b"old"
    assert source.reads == 2
    source.value = b"new"
    await reads.drop(ISBN)
    cache._redis = there
    clock.now += 2
    assert await read(reads, source) == b"new"
    assert await read(reads, source) == b"new"
    assert source.reads == 3
    await cache.close()
    await gone.aclose()

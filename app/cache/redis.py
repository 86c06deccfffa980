"""The cache that edges share: Redis. It may go away at any time; reads then go to the database.

<prefix>e        the epoch: changed by an edge whose drops could not be told while Redis was away
<prefix>v:<tag>  the version of a tag, random, changed by every drop
<prefix>k:<key>  epoch and version that the entry was read under, then the entry

Epoch and versions are what an edge follows that keeps copies of answers in its own memory: see `app.cache.following`.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.cache.entries import Entry, Found
from app.cache.following import SETTLE_S, Following

log = structlog.get_logger(__name__)

T = TypeVar("T")

TIMEOUT_S = 0.25  # a cache that is slower than the database is none
LEAVE_ALONE_S = 1.0  # after a failure; so that a Redis that hangs costs one request a second, not every one
CONNECTIONS_MAX = 64
VERSION_TTL_S = 3600  # far beyond every entry's own: an entry must not outlive the version that condemned it
ENTRY_TTL_S_MAX = VERSION_TTL_S // 2


class RedisCache:
    """A `Cache` in Redis. Fail-open: while Redis is away it holds nothing and logs that once."""

    def __init__(self, url: str, prefix: str = "quire:", clock: Callable[[], float] = time.monotonic) -> None:
        # The pool's own retries are off: a second try costs more than the read that the cache would save.
        self._redis: Redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS_MAX,
                timeout=TIMEOUT_S,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            )
        )
        self._prefix = prefix
        self._clock = clock
        self._away = False
        self._alone_until = 0.0
        self._drops_lost = False
        self._url = url
        self._following: Following | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def sure_until(self) -> float:
        """Until when every drop that others made before now was told; 0.0 while Redis cannot be followed."""
        return self._following.sure_until if self._following is not None else 0.0

    def follow(self, told: Callable[[str | None], None]) -> None:
        """Begins to tell of drops, on a connection of its own, until `close`."""
        versions = f"{self._prefix}v:"

        def changed(name: str | None) -> None:
            told(name.removeprefix(versions) if name is not None and name.startswith(versions) else None)

        # RESP2: see `app.cache.following`, which limits every wait itself. With a limit of its own redis-py sends by
        # `asyncio.wait_for`, which loses a cancellation in Python 3.11 where it comes with the result.
        pool = ConnectionPool.from_url(
            self._url,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=SETTLE_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._following = Following(
            pool.make_connection, (versions, f"{self._prefix}e"), changed, self._clock
        )
        self._task = asyncio.create_task(self._following.run(), name="cache: follows Redis")

    async def get(self, key: str, tag: str) -> Found:
        """The entry of a key, unless its tag was dropped since or its time is over."""
        kept = f"{self._prefix}k:{key}"
        names = [f"{self._prefix}e", f"{self._prefix}v:{tag}", kept]

        async def ask() -> Any:
            async with self._redis.pipeline(transaction=False) as pipeline:
                # In this order: a time that was left before the entry was replaced is too short, never too long.
                pipeline.pttl(kept)
                pipeline.mget(names)
                return await pipeline.execute()

        values = await self._ask(ask)
        if values is None:
            return Found(None, None)
        left_ms, (epoch, version, packed) = values
        now = f"{(epoch or b'').decode()}.{(version or b'').decode()}"
        if packed is None:
            return Found(None, now)
        stored, _, rest = packed.partition(b"\n")
        if stored != now.encode():
            return Found(None, now)
        return Found(Entry.unpack(rest), now, max(0, left_ms) / 1000)

    async def put(self, key: str, version: str, entry: Entry, ttl_s: float) -> None:
        """Keeps an entry for at most `ttl_s`; Redis itself decides what makes room."""
        value = version.encode() + b"\n" + entry.pack()
        ttl_ms = max(1, int(min(ttl_s, ENTRY_TTL_S_MAX) * 1000))
        await self._ask(lambda: self._redis.set(f"{self._prefix}k:{key}", value, px=ttl_ms))

    async def drop(self, tag: str) -> None:
        """Makes every entry of a tag worthless; what cannot be told now is made good for when Redis is back."""
        version = secrets.token_hex(8)
        told = await self._ask(lambda: self._redis.set(f"{self._prefix}v:{tag}", version, ex=VERSION_TTL_S))
        if told is None:
            self._drops_lost = True

    async def close(self) -> None:
        """Closes the connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._redis.aclose()

    async def _ask(self, command: Callable[[], Awaitable[T]]) -> T | None:
        """What Redis answers; None while it is away."""
        if self._clock() < self._alone_until:
            return None
        try:
            if self._drops_lost:
                await self._redis.set(f"{self._prefix}e", secrets.token_hex(8))
                self._drops_lost = False
            answer = await command()
        except (RedisError, OSError, TimeoutError) as error:
            self._alone_until = self._clock() + LEAVE_ALONE_S
            if not self._away:
                self._away = True
                log.warning("cache.away", error=str(error), effect="reads go to the database")
            return None
        if self._away:
            self._away = False
            log.info("cache.back")
        return answer

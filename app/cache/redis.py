"""The cache that edges share: Redis. It may go away at any time; reads then go to the database.

<prefix>e        the epoch: changed by an edge whose drops could not be told while Redis was away
<prefix>v:<tag>  the version of a tag, random, changed by every drop
<prefix>k:<key>  epoch and version that the entry was read under, then the entry
"""

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.cache.entries import Entry, Found

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

    async def get(self, key: str, tag: str) -> Found:
        """The entry of a key, unless its tag was dropped since or its time is over."""
        names = [f"{self._prefix}e", f"{self._prefix}v:{tag}", f"{self._prefix}k:{key}"]
        values: list[Any] | None = await self._ask(lambda: self._redis.mget(names))
        if values is None:
            return Found(None, None)
        epoch, version, packed = values
        now = f"{(epoch or b'').decode()}.{(version or b'').decode()}"
        if packed is None:
            return Found(None, now)
        stored, _, rest = packed.partition(b"\n")
        return Found(Entry.unpack(rest) if stored == now.encode() else None, now)

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

"""Where attempts are counted: buckets that leak (GCRA, one number a bucket), in memory or in Redis."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis

KEYS_MAX = 100_000  # in memory; some 20 MB when full
REDIS_TIMEOUT_S = 0.25
EPSILON_S = 1e-6


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `limit` attempts at once, `limit` per `window_s` seconds in the long run."""

    name: str
    limit: int
    window_s: int

    @property
    def interval_s(self) -> float:
        """Seconds in which one attempt leaks away."""
        return self.window_s / self.limit


@dataclass(frozen=True, slots=True)
class Bucket:
    """One rule's count of one thing."""

    key: str
    rule: Rule


class Counters(Protocol):
    """Where the buckets are counted."""

    async def charge(self, buckets: Sequence[Bucket]) -> list[float]:
        """Adds one attempt to every bucket, or to none where one would overflow; the levels after, in
        seconds.

        A level above the rule's window says which one overflowed.
        """
        ...

    async def refund(self, buckets: Sequence[Bucket]) -> None:
        """Takes one attempt out of every bucket."""
        ...


class MemoryCounters:
    """This process's own count, of at most `keys_max` buckets: the emptiest make room. `clock` in seconds."""

    def __init__(self, keys_max: int = KEYS_MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self._empty_at: dict[str, float] = {}
        self._keys_max = keys_max
        self._clock = clock

    def __len__(self) -> int:
        return len(self._empty_at)

    async def charge(self, buckets: Sequence[Bucket]) -> list[float]:
        """See `Counters`; atomic, as it never waits."""
        now = self._clock()
        levels = [
            max(self._empty_at.get(each.key, now) - now, 0.0) + each.rule.interval_s for each in buckets
        ]
        if not overflowing(buckets, levels):
            self._make_room(now, len(buckets))
            for bucket, level in zip(buckets, levels, strict=True):
                self._empty_at[bucket.key] = now + level
        return levels

    async def refund(self, buckets: Sequence[Bucket]) -> None:
        """See `Counters`."""
        now = self._clock()
        for bucket in buckets:
            empty_at = self._empty_at.get(bucket.key, now) - bucket.rule.interval_s
            if empty_at > now:
                self._empty_at[bucket.key] = empty_at
            else:
                self._empty_at.pop(bucket.key, None)

    def _make_room(self, now: float, count: int) -> None:
        if len(self._empty_at) + count <= self._keys_max:
            return
        kept = sorted((at, key) for key, at in self._empty_at.items() if at > now)
        room = self._keys_max - max(count, self._keys_max // 10)
        self._empty_at = {key: at for at, key in kept[max(len(kept) - room, 0) :]}


CHARGE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local levels, full = {}, false
for i, key in ipairs(KEYS) do
  local interval, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local level = math.max((tonumber(redis.call('GET', key)) or now) - now, 0) + interval
  levels[i] = level
  full = full or level > window
end
if not full then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', now + levels[i]), 'PX', math.ceil(levels[i] / 1000))
  end
end
return levels
"""

REFUND = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i, key in ipairs(KEYS) do
  local empty_at = (tonumber(redis.call('GET', key)) or now) - tonumber(ARGV[i])
  if empty_at > now then
    redis.call('SET', key, string.format('%.0f', empty_at), 'PX', math.ceil((empty_at - now) / 1000))
  else
    redis.call('DEL', key)
  end
end
"""


class RedisCounters:
    """The count of all edges together, by Redis's own clock. Raises what its client does, or `TimeoutError`."""

    def __init__(self, redis: Redis, timeout_s: float = REDIS_TIMEOUT_S) -> None:
        self._charge = redis.register_script(CHARGE)
        self._refund = redis.register_script(REFUND)
        self._timeout_s = timeout_s

    async def charge(self, buckets: Sequence[Bucket]) -> list[float]:
        """See `Counters`; atomic, as one script."""
        args = [part for each in buckets for part in (_us(each.rule.interval_s), _us(each.rule.window_s))]
        async with asyncio.timeout(self._timeout_s):
            levels = await self._charge(keys=_redis_keys(buckets), args=args)
        return [level / 1e6 for level in levels]

    async def refund(self, buckets: Sequence[Bucket]) -> None:
        """See `Counters`."""
        args = [_us(each.rule.interval_s) for each in buckets]
        async with asyncio.timeout(self._timeout_s):
            await self._refund(keys=_redis_keys(buckets), args=args)


def overflowing(buckets: Sequence[Bucket], levels: Sequence[float]) -> bool:
    """Whether one of the buckets would be above its brim."""
    return any(level > each.rule.window_s + EPSILON_S for each, level in zip(buckets, levels, strict=True))


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def _redis_keys(buckets: Sequence[Bucket]) -> list[str]:
    # One hash tag: a script's keys must live in one slot of a Redis cluster.
    return [f"{{quire:throttle}}:{each.key}" for each in buckets]

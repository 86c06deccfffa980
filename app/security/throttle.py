"""Throttling: how often somebody may be wrong about a password, and how often anybody may ask at all.

Each rule is a leaky bucket (GCRA: one number a key), so that a throttled account opens again after seconds
rather than at the end of a window, and nobody is locked out for long by a stranger's guesses. An attempt to sign in
takes its allowance before the password is looked at, so that parallel guesses cannot slip through together,
and gets it back when it was right.

Every edge counts in memory, always; with Redis all edges count together as well. With Redis away each edge
goes on by its own count: no lock-out, and a guesser gets at most the limit times the number of edges.
"""

import ipaddress
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.security.counters import (
    EPSILON_S,
    Bucket,
    Counters,
    MemoryCounters,
    RedisCounters,
    Rule,
    overflowing,
)

log = structlog.get_logger(__name__)

REDIS_PAUSE_S = 5.0  # after a failure: sign-ins must not wait for a dead Redis one by one


ACCOUNT_AT_ADDRESS = Rule("pair", 10, 300)
ACCOUNT = Rule("account", 100, 3600)  # NIST SP 800-63B, 5.2.2: no more than 100 failures in a row
ADDRESS = Rule("address", 100, 300)  # a household, a school, an office behind one address
REQUEST_WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the scarcest rule leaves: `reset_s` until all of it is back, `retry_after_s` until one attempt is
    (or 0).
    """

    rule: Rule
    remaining: int
    reset_s: int
    retry_after_s: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers, revisions 3 to 6, and Retry-After where it
        applies.
        """
        fields = {
            "RateLimit-Limit": str(self.rule.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
            "RateLimit-Policy": f"{self.rule.limit};w={self.rule.window_s}",
        }
        return fields | ({"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {})


class Throttled(Exception):
    """Too much of something; nothing was looked at."""

    def __init__(self, allowance: Allowance, much: str) -> None:
        super().__init__(f"Too many {much}: try again in {allowance.retry_after_s} s")
        self.allowance = allowance


class Throttle:
    """Takes allowances out of buckets, its own and those shared with other edges, or says when to come back.

    `much` is what there may be too much of.
    """

    def __init__(
        self,
        shared: Counters | None,
        own: Counters | None,
        much: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._own = MemoryCounters() if own is None else own
        self._much = much
        self._clock = clock
        self._shared_paused_until = -math.inf

    async def take(self, buckets: Sequence[Bucket]) -> Allowance:
        """Takes one out of every bucket. Raises `Throttled`, and then nothing was taken."""
        levels = await self._own.charge(buckets)
        self._require_room(buckets, levels)
        shared = await self._charge_shared(buckets)
        if shared is not None:
            if overflowing(buckets, shared):
                await self._own.refund(buckets)
                self._require_room(buckets, shared)
            levels = shared
        return _allowance(buckets, levels)

    async def give_back(self, buckets: Sequence[Bucket]) -> None:
        """Puts one back into every bucket."""
        await self._own.refund(buckets)
        if self._shared is not None and self._clock() >= self._shared_paused_until:
            try:
                await self._shared.refund(buckets)
            except (RedisError, OSError, TimeoutError) as error:
                self._pause_shared(error)

    async def _charge_shared(self, buckets: Sequence[Bucket]) -> list[float] | None:
        if self._shared is None or self._clock() < self._shared_paused_until:
            return None
        try:
            return await self._shared.charge(buckets)
        except (RedisError, OSError, TimeoutError) as error:
            self._pause_shared(error)
            return None

    def _pause_shared(self, error: Exception) -> None:
        self._shared_paused_until = self._clock() + REDIS_PAUSE_S
        log.warning(
            "throttle.redis_away", error=repr(error), pause_s=REDIS_PAUSE_S, counting="this edge alone"
        )

    def _require_room(self, buckets: Sequence[Bucket], levels: Sequence[float]) -> None:
        if not overflowing(buckets, levels):
            return
        wait_s, rule, level = max(
            (
                (level - each.rule.window_s, each.rule, level)
                for each, level in zip(buckets, levels, strict=True)
            ),
            key=lambda found: found[0],
        )
        full_s = math.ceil(level - rule.interval_s)
        raise Throttled(Allowance(rule, 0, full_s, max(1, math.ceil(wait_s))), self._much)


class SignInThrottle(Throttle):
    """Lets an attempt in, or says when to come back. `account` and `address` are opaque: hash what is
    personal.
    """

    def __init__(
        self,
        shared: Counters | None = None,
        *,
        own: Counters | None = None,
        pair: Rule = ACCOUNT_AT_ADDRESS,
        account: Rule = ACCOUNT,
        address: Rule = ADDRESS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(shared, own, "wrong attempts to sign in", clock)
        self._rules = (pair, account, address)

    @classmethod
    def with_redis(cls, redis: Redis | None) -> Self:
        """The throttle of an edge; without Redis it counts for itself."""
        return cls(RedisCounters(redis) if redis is not None else None)

    async def enter(self, account: str, address: str) -> Allowance:
        """Takes one attempt's allowance. Raises `Throttled`, and then nothing was taken."""
        return await self.take(self._buckets(account, address))

    async def refund(self, account: str, address: str) -> None:
        """Gives the allowance of an attempt back that was right, or that was never looked at."""
        await self.give_back(self._buckets(account, address))

    def _buckets(self, account: str, address: str) -> list[Bucket]:
        pair, each_account, each_address = self._rules
        return [
            Bucket(f"pair:{account}:{address}", pair),
            Bucket(f"account:{account}", each_account),
            Bucket(f"address:{address}", each_address),
        ]


class RequestLimit(Throttle):
    """How often one client may ask, whatever for: `limit` at once, `limit` in `REQUEST_WINDOW_S` in the long run."""

    def __init__(self, limit: int, shared: Counters | None = None, *, own: Counters | None = None) -> None:
        super().__init__(shared, own, "requests")
        self._rule = Rule("requests", limit, REQUEST_WINDOW_S)

    async def enter(self, client: str) -> Allowance:
        """Takes one request's allowance. Raises `Throttled`."""
        return await self.take([Bucket(f"requests:{client}", self._rule)])


def network_of(host: str | None) -> str:
    """What counts as one address: an IPv4 address, an IPv6 /64 (one subscriber's), or the text as it is."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host or "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


def _allowance(buckets: Sequence[Bucket], levels: Sequence[float]) -> Allowance:
    left = [
        Allowance(
            each.rule, int((each.rule.window_s - level) / each.rule.interval_s + EPSILON_S), math.ceil(level)
        )
        for each, level in zip(buckets, levels, strict=True)
    ]
    return min(left, key=lambda allowance: allowance.remaining)

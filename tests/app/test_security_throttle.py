"""Sign-in throttling: the same rules in memory and in Redis, several edges together, and a Redis that goes away."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from app.security.counters import Bucket, Counters, MemoryCounters, RedisCounters, Rule
from app.security.throttle import SignInThrottle, Throttled, network_of
from ops.servers import Redis as RedisServer

THREE = Rule("three", 3, 300)
MANY = Rule("many", 1000, 300)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class AwayCounters:
    """A shared count that can be away, and notes how often it was asked."""

    def __init__(self) -> None:
        self.inner = MemoryCounters()
        self.away = False
        self.asked = 0

    async def charge(self, buckets: Sequence[Bucket]) -> list[float]:
        """Counts, or fails."""
        self._require()
        return await self.inner.charge(buckets)

    async def refund(self, buckets: Sequence[Bucket]) -> None:
        """Refunds, or fails."""
        self._require()
        await self.inner.refund(buckets)

    def _require(self) -> None:
        self.asked += 1
        if self.away:
            raise ConnectionError("redis is away")


def throttle(
    shared: Counters | None = None, clock: Callable[[], float] | None = None, **rules: Rule
) -> SignInThrottle:
    """Three attempts for an account at an address, and as good as any number elsewhere."""
    clock = clock or Clock()
    each = {"pair": THREE, "account": MANY, "address": MANY} | rules
    return SignInThrottle(shared, own=MemoryCounters(clock=clock), clock=clock, **each)


async def admitted(gate: SignInThrottle, account: str, address: str, tries: int) -> int:
    """How many of some attempts are let in."""
    count = 0
    for _ in range(tries):
        try:
            await gate.enter(account, address)
            count += 1
        except Throttled:
            continue
    return count


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A client of the shared Redis."""
    client = Redis.from_url(redis_server.url)
    yield client
    await client.aclose()


async def test_it_opens_again_bit_by_bit() -> None:
    """After the limit one attempt leaks away every window/limit seconds: nobody is locked out for a whole window."""
    clock = Clock()
    gate = throttle(clock=clock)
    assert await admitted(gate, "ada", "here", 5) == 3
    with pytest.raises(Throttled) as refused:
        await gate.enter("ada", "here")
    assert refused.value.allowance.retry_after_s == 100
    assert refused.value.allowance.reset_s == 300
    clock.now += 99
    assert await admitted(gate, "ada", "here", 1) == 0
    clock.now += 1
    assert await admitted(gate, "ada", "here", 2) == 1
    clock.now += 300
    assert await admitted(gate, "ada", "here", 5) == 3


async def test_a_stranger_elsewhere_does_not_lock_the_owner_out() -> None:
    """Guesses from one address leave the account's owner at another one alone, until the account's own limit."""
    gate = throttle(account=Rule("account", 5, 300))
    assert await admitted(gate, "ada", "stranger", 9) == 3
    assert await admitted(gate, "ada", "home", 9) == 2
    assert await admitted(gate, "eve", "home", 9) == 3


async def test_one_address_cannot_try_every_account() -> None:
    """One password for many accounts is as limited as many for one."""
    gate = throttle(address=Rule("address", 5, 300))
    assert sum([await admitted(gate, f"account {number}", "here", 1) for number in range(20)]) == 5
    assert await admitted(gate, "account 0", "there", 1) == 1


async def test_a_refusal_costs_nothing() -> None:
    """What was not let in is not counted, on any of the rules."""
    own = MemoryCounters()
    gate = SignInThrottle(own=own, pair=THREE, account=MANY, address=MANY)
    await admitted(gate, "ada", "here", 3)
    before = dict(own._empty_at)
    assert await admitted(gate, "ada", "here", 50) == 0
    assert own._empty_at == before


async def test_a_refund_is_as_if_nothing_was() -> None:
    """Attempts that were right leave no trace."""
    own = MemoryCounters()
    gate = SignInThrottle(own=own)
    for _ in range(500):
        await gate.enter("ada", "here")
        await gate.refund("ada", "here")
    await gate.refund("ada", "here")
    assert len(own) == 0


async def test_memory_is_bounded() -> None:
    """However many accounts are tried, a bounded number is remembered: those that tried most."""
    clock = Clock()
    own = MemoryCounters(keys_max=100, clock=clock)
    bucket = Bucket("the guesser", THREE)
    for _ in range(3):
        await own.charge([bucket])
    for number in range(1000):
        await own.charge([Bucket(str(number), THREE)])
        assert len(own) <= 100
    assert (await own.charge([bucket]))[0] > THREE.window_s
    clock.now += 10_000
    await own.charge([Bucket(str(number), THREE) for number in range(100)])
    assert len(own) <= 100


async def test_edges_count_together_in_redis(redis: Redis) -> None:
    """Three edges let in what one would, and a refund at one is one at all; nothing stays in Redis for ever."""
    account = secrets.token_hex(8)
    edges = [throttle(RedisCounters(redis)) for _ in range(3)]
    counts = await asyncio.gather(*(admitted(edge, account, "here", 3) for edge in edges))
    assert sum(counts) == 3
    await edges[0].refund(account, "here")
    assert sum([await admitted(edge, account, "here", 1) for edge in reversed(edges)]) == 1
    keys = [key async for key in redis.scan_iter(f"*{account}*")]
    assert len(keys) == 2
    assert all([0 < await redis.pttl(key) <= 300_000 for key in keys])


async def test_redis_counts_as_memory_does(redis: Redis) -> None:
    """The two give the same levels for the same attempts, refusals and refunds."""
    name = secrets.token_hex(8)
    buckets = [Bucket(f"{name}:a", THREE), Bucket(f"{name}:b", Rule("b", 7, 60))]
    memory, shared = MemoryCounters(), RedisCounters(redis)
    for _ in range(5):
        assert await shared.charge(buckets) == pytest.approx(await memory.charge(buckets), abs=1.0)
    for counters in (memory, shared):
        await counters.refund(buckets)
    for _ in range(2):
        assert await shared.charge(buckets) == pytest.approx(await memory.charge(buckets), abs=1.0)


async def test_a_refusal_by_all_edges_is_not_counted_by_this_one(redis: Redis) -> None:
    """An edge that hears no from the others has nothing on its own books."""
    account, own = secrets.token_hex(8), MemoryCounters()
    await admitted(throttle(RedisCounters(redis)), account, "here", 3)
    late = SignInThrottle(RedisCounters(redis), own=own, pair=THREE, account=MANY, address=MANY)
    assert await admitted(late, account, "here", 5) == 0
    assert len(own) == 0


async def test_without_redis_every_edge_counts_for_itself() -> None:
    """A Redis that is away locks nobody out and opens nothing: the edge's own limit holds, and it is asked seldom."""
    clock, shared = Clock(), AwayCounters()
    gate = throttle(shared, clock)
    assert await admitted(gate, "ada", "here", 1) == 1
    shared.away, shared.asked = True, 0
    assert await admitted(gate, "ada", "here", 10) == 2
    await gate.refund("ada", "here")
    assert shared.asked == 1
    clock.now += 6
    shared.away = False
    assert await admitted(gate, "ada", "here", 1) == 1
    assert shared.asked == 2


async def test_a_redis_that_is_not_there_is_no_error() -> None:
    """A refused connection ends in the edge's own count."""
    client = Redis.from_url("redis://127.0.0.1:1/0")
    gate = SignInThrottle.with_redis(client)
    assert await admitted(gate, "ada", "here", 20) == 10
    await client.aclose()


async def test_a_frozen_redis_costs_a_quarter_of_a_second() -> None:
    """A server that takes the connection and never answers is given up on in time."""
    hang = asyncio.Event()

    async def never(_: Any, writer: asyncio.StreamWriter) -> None:
        await hang.wait()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    client = Redis.from_url(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    gate = SignInThrottle.with_redis(client)
    async with asyncio.timeout(5):
        assert await admitted(gate, "ada", "here", 20) == 10
    hang.set()
    await client.aclose()
    server.close()


async def test_the_fields_of_an_allowance() -> None:
    """What is left and when, by the scarcest rule; Retry-After only where one must wait."""
    gate = throttle()
    allowance = await gate.enter("ada", "here")
    assert allowance.headers == {
        "RateLimit-Limit": "3",
        "RateLimit-Remaining": "2",
        "RateLimit-Reset": "100",
        "RateLimit-Policy": "3;w=300",
    }
    await admitted(gate, "ada", "here", 2)
    with pytest.raises(Throttled) as refused:
        await gate.enter("ada", "here")
    assert refused.value.allowance.headers["Retry-After"] == "100"
    assert refused.value.allowance.headers["RateLimit-Remaining"] == "0"


@given(st.lists(st.floats(0, 400), max_size=60))
def test_no_more_than_the_rule_says(pauses: list[float]) -> None:
    """In any stretch of a window at most twice the limit is let in: a full bucket, and what leaks meanwhile."""

    async def run() -> list[float]:
        clock, times = Clock(), []
        gate = throttle(clock=clock)
        for pause in pauses:
            clock.now += pause
            if await admitted(gate, "ada", "here", 1):
                times.append(clock.now)
        return times

    times = asyncio.run(run())
    for start in times:
        assert sum(start <= each < start + THREE.window_s for each in times) <= 2 * THREE.limit


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        (None, "unknown"),
    ],
)
def test_one_subscriber_is_one_address(host: str | None, network: str) -> None:
    """An IPv6 subscriber has a whole /64 to come from."""
    assert network_of(host) == network

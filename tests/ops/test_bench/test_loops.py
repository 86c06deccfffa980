"""Loads: closed loops, and open ones that do not slow down with what they measure."""

import asyncio
import time

import pytest

from broker.ending import together
from ops.bench.figures import WentWrong
from ops.bench.loops import closed_loop, due_times, open_loop


def test_turns_are_due_evenly_from_the_start() -> None:
    """At 100 a second the sixth is due after 50 ms, and none at the end."""
    assert list(due_times(100, 0.06)) == pytest.approx([0, 0.01, 0.02, 0.03, 0.04, 0.05])
    assert len(list(due_times(333, 10))) == 3330


def test_a_rate_of_nothing_is_refused() -> None:
    """It would never end."""
    with pytest.raises(WentWrong):
        list(due_times(0, 1))


async def test_a_stall_delays_every_turn_that_was_due_meanwhile() -> None:
    """No coordinated omission: one shopper is stuck for a while, and the turns that waited for it say how long."""
    stuck_s = 0.2

    async def turn(_shopper: str, number: int) -> None:
        if number == 0:
            await asyncio.sleep(stuck_s)

    taken = await open_loop(["the only one"], turn, rate=100, seconds=0.1)
    assert taken.turns == 10
    # The n-th was due 10 ms after the one before, and none could begin before the stall was over.
    for number, latency_s in enumerate(sorted(taken.latencies_s, reverse=True)):
        assert latency_s >= stuck_s - number / 100 - 0.002


async def test_an_open_loop_begins_turns_while_others_are_under_way() -> None:
    """All are under way at once before the first ends: their number does not follow from how fast they are."""
    everybody = asyncio.Barrier(20)

    async def turn(_shopper: int, _number: int) -> None:
        await everybody.wait()

    taken = await open_loop(range(20), turn, rate=1_000, seconds=0.02)
    assert taken.turns == 20


async def test_a_closed_loop_has_one_turn_a_shopper_under_way() -> None:
    """And numbers them in the order in which they begin; what was begun is finished and counted."""
    under_way, most, numbers = set[str](), 0, []

    async def turn(shopper: str, number: int) -> None:
        nonlocal most
        assert shopper not in under_way
        under_way.add(shopper)
        most = max(most, len(under_way))
        numbers.append(number)
        await asyncio.sleep(0)
        under_way.remove(shopper)

    taken = await closed_loop(["ada", "bob", "cy"], turn, seconds=0.05)
    assert most == 3
    assert numbers == list(range(taken.turns))


async def test_parts_that_turns_time_themselves_are_kept_apart() -> None:
    """The latency is the whole turn's."""

    async def turn(_shopper: str, _number: int) -> float:
        await asyncio.sleep(0.01)
        return 0.005

    begun = time.perf_counter()
    taken = await closed_loop(["ada"], turn, seconds=0.02)
    assert set(taken.parts_s) == {0.005}
    assert all(0.005 < latency_s <= time.perf_counter() - begun for latency_s in taken.latencies_s)


async def test_the_first_error_ends_the_loop_as_it_is() -> None:
    """Nobody shops on, and the error is no group of errors."""
    ended = asyncio.Event()

    async def fails() -> None:
        raise WentWrong("an answer was 503")

    async def shops_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(WentWrong, match="503"):
        await together([shops_on(), fails()])
    assert ended.is_set()

"""Two ways to put load on: a closed loop, and an open one that does not slow down with what it measures."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from broker.ending import together
from ops.bench.figures import WentWrong

S = TypeVar("S")
Turn = Callable[[S, int], Awaitable[float | None]]
"""One turn of a shopper; turns are numbered in the order in which they begin.

What it returns, if anything, is seconds that it timed itself, a part of the turn.
"""


@dataclass(slots=True)
class Taken:
    """What a loop did: seconds that each turn took, that their parts took, and from the first start to the last end."""

    latencies_s: list[float] = field(default_factory=list)
    parts_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def turns(self) -> int:
        """How many were finished."""
        return len(self.latencies_s)

    def add(self, latency_s: float, part_s: float | None) -> None:
        """Notes a turn."""
        self.latencies_s.append(latency_s)
        if part_s is not None:
            self.parts_s.append(part_s)


async def closed_loop(shoppers: Sequence[S], turn: Turn[S], seconds: float) -> Taken:
    """Each shopper takes turn after turn until the time is up; what was begun by then is finished and counted."""
    taken = Taken()
    numbers = count()
    begun = time.perf_counter()
    until = begun + seconds

    async def shop(shopper: S) -> None:
        while (start := time.perf_counter()) < until:
            part_s = await turn(shopper, next(numbers))
            taken.add(time.perf_counter() - start, part_s)

    await together(shop(shopper) for shopper in shoppers)
    taken.seconds = time.perf_counter() - begun
    return taken


async def open_loop(shoppers: Sequence[S], turn: Turn[S], rate: float, seconds: float) -> Taken:
    """A turn is due every 1/rate seconds, whether those before are done or not; latency counts from when it was due.

    A slow answer so delays no later turn out of the count (coordinated omission). A turn that is due while every
    shopper is at it waits for the first who is free, and its latency says so.
    """
    taken = Taken()
    free: asyncio.Queue[S] = asyncio.Queue()
    for shopper in shoppers:
        free.put_nowait(shopper)
    begun = time.perf_counter()

    async def one(number: int, due: float) -> None:
        shopper = await free.get()
        part_s = await turn(shopper, number)
        taken.add(time.perf_counter() - due, part_s)
        free.put_nowait(shopper)

    async def begin() -> None:
        for number, offset_s in enumerate(due_times(rate, seconds)):
            due = begun + offset_s
            early = due - time.perf_counter()
            if early > 0:
                await asyncio.sleep(early)
            turns.append(asyncio.create_task(one(number, due)))

    turns: list[asyncio.Task[None]] = []
    try:
        await begin()
        await together(turns)
    finally:
        for each in turns:
            each.cancel()
    taken.seconds = time.perf_counter() - begun
    return taken


def due_times(rate: float, seconds: float) -> Iterator[float]:
    """Seconds from the start at which turns are due: evenly spread, the first at 0, none at or after the end."""
    if rate <= 0:
        raise WentWrong(f"an open loop needs a rate above 0, not {rate:g}")
    number = 0
    while (offset_s := number / rate) < seconds:
        yield offset_s
        number += 1

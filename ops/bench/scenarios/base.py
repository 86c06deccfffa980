"""What all scenarios share: the stand with its shelf, how load is put on, and how a loop of turns is measured."""

import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.bench.figures import Figure, curve_ms, percentiles_ms
from ops.bench.loops import Taken, Turn, closed_loop, open_loop
from ops.bench.settling import Moment, batch_sizes, quiet, until_received
from ops.bench.shoppers import Shopper, arrive, leave
from ops.bench.stand import Meter, Stand
from ops.bench.titles import Popularity

POOL = 256  # shoppers ready for an open loop; more than that are never at it at a time below saturation


@dataclass(frozen=True, slots=True)
class Load:
    """How hard: so many shoppers in a closed loop, or so many turns a second in an open one.

    `third`: that rate is a third of what the largest crowd of the same round reached.
    """

    shoppers: int = 0
    rate: float | None = None
    third: bool = False

    @property
    def name(self) -> str:
        """As it stands in the report."""
        if self.third:
            return "open, a third"
        if self.rate is not None:
            return f"open, {self.rate:g}/s"
        return f"{self.shoppers} shopper{'s' if self.shoppers != 1 else ''}"


@dataclass
class Bench:
    """A stand with a shelf, and how long to measure. `confirm` names the way to hear of confirmed orders."""

    on: Stand
    isbns: list[str]
    popularity: Popularity
    seconds: float
    warm_up_s: float
    confirm: str = "events"
    waiting: int = 50_000
    rushing: int = 10_000
    soak_minutes: float = 15.0
    draws: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draws = self.popularity.draws(1 << 16)

    def isbn(self, number: int) -> str:
        """The title of the n-th draw: popular ones come often."""
        return self.isbns[self.draws[number % len(self.draws)]]


Measure = Callable[[Bench, Load], Coroutine[Any, Any, list[Figure]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that shoppers do. `loads`: which kinds of load it takes; one that takes none brings its own.

    `part`: what the turns time themselves, where they do.
    """

    name: str
    what: str
    measure: Measure
    loads: tuple[str, ...] = ("closed", "open")


async def looped(
    bench: Bench,
    load: Load,
    figure: Figure,
    turn: Turn[Shopper],
    *,
    receipts: int = 0,
    part: str = "",
) -> Figure:
    """Turns of that load by shoppers who come and go with it; fills and returns the figure. See `measured`."""
    shoppers = await arrive(bench.on.urls, load.shoppers or POOL)
    try:
        return await measured(bench, shoppers, load, figure, turn, receipts=receipts, part=part)
    finally:
        leave(shoppers)


async def measured(
    bench: Bench,
    shoppers: Sequence[Shopper],
    load: Load,
    figure: Figure,
    turn: Turn[Shopper],
    *,
    seconds: float | None = None,
    receipts: int = 0,
    part: str = "",
) -> Figure:
    """Turns of these shoppers, after a warm-up; fills and returns the figure.

    `receipts` > 0: the turn's commands are not waited for; each leaves that many receipts, and the clock runs until the
    last is written. Processor time for one turn includes all that follows from it: it is taken when nothing moves.
    """
    on = bench.on
    await _loop(shoppers, turn, load, bench.warm_up_s)
    moment = await quiet(on)
    meter, begun = Meter.start(on), time.perf_counter()
    taken = await _loop(shoppers, turn, load, seconds or bench.seconds)
    if receipts:
        await until_received(on, moment.receipts + receipts * taken.turns)
        taken.seconds = time.perf_counter() - begun
    meter.cores(figure, taken.seconds)
    await quiet(on)
    meter.costs(figure, taken.turns)
    return await described(bench, figure, taken, moment, part)


async def described(bench: Bench, figure: Figure, taken: Taken, moment: Moment, part: str = "") -> Figure:
    """The figure with rate, latencies and batches of what was taken since the moment."""
    figure.value = taken.turns / taken.seconds if taken.seconds else 0.0
    figure.values = [figure.value]
    figure.latency_ms = percentiles_ms(taken.latencies_s)
    figure.curve_ms = curve_ms(taken.latencies_s)
    if taken.parts_s:
        percentiles = percentiles_ms(taken.parts_s)
        figure.also |= {f"{part}, {name} ms": percentiles[name] for name in ("p50", "p99")}
    figure.batches = await batch_sizes(bench.on, moment)
    return figure


async def _loop(shoppers: Sequence[Shopper], turn: Turn[Shopper], load: Load, seconds: float) -> Taken:
    if load.rate is not None:
        return await open_loop(shoppers, turn, load.rate, seconds)
    return await closed_loop(shoppers, turn, seconds)

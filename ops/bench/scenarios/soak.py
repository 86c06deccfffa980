"""Purchases for a long time, and whether memory stays as it is."""

import asyncio

from ops.bench.confirmations import WAYS
from ops.bench.figures import Figure
from ops.bench.loops import closed_loop
from ops.bench.scenarios.base import Bench, Load, Scenario, described
from ops.bench.scenarios.orders import buy_once
from ops.bench.settling import quiet
from ops.bench.shoppers import Shopper, arrive, leave
from ops.bench.stand import Meter, Stand

SAMPLES = 180
PARTS = ("edge", "worker")
GREW = " grew, MB"


async def _soak(bench: Bench, load: Load) -> list[Figure]:
    minutes = bench.soak_minutes
    figure = Figure(name="soak", load=f"{minutes:g} minutes", what=SOAK.what, value=0.0)
    shoppers = await arrive(bench.on.urls, load.shoppers)
    async with WAYS[bench.confirm](bench.on) as ways:

        async def turn(shopper: Shopper, number: int) -> float:
            return await buy_once(bench, ways, shopper, number)

        await closed_loop(shoppers, turn, bench.warm_up_s)
        moment, meter = await quiet(bench.on), Meter.start(bench.on)
        sampling = asyncio.create_task(_sample(bench.on, figure, minutes * 60 / SAMPLES))
        try:
            taken = await closed_loop(shoppers, turn, minutes * 60)
        finally:
            sampling.cancel()
            leave(shoppers)
    meter.cores(figure, taken.seconds)
    await quiet(bench.on)
    meter.costs(figure, taken.turns)
    await described(bench, figure, taken, moment, "order to confirmed")
    figure.also |= grown(figure.resident_over_time_mb)
    return [figure]


async def _sample(on: Stand, figure: Figure, every_s: float) -> None:
    while True:
        for part, usage in on.usage().items():
            figure.resident_over_time_mb.setdefault(part, []).append(usage.resident / 1e6)
        await asyncio.sleep(every_s)


def grown(over_time_mb: dict[str, list[float]]) -> dict[str, float]:
    """By how much edges and workers are larger in the last sixth than in the third one, in MB: all are warm by then."""
    found = {}
    for name, values in over_time_mb.items():
        sixth = len(values) // 6
        if name.split()[0] in PARTS and sixth:
            early, late = values[2 * sixth : 3 * sixth], values[-sixth:]
            found[f"{name}{GREW}"] = sum(late) / len(late) - sum(early) / len(early)
    return found


SOAK = Scenario("soak", "purchases, resident memory over time", _soak, loads=("once",))

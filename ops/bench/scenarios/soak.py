"""Purchases for a long time, and whether memory stays as it is."""

import asyncio

from ops.bench.confirmations import WAYS
from ops.bench.figures import Figure
from ops.bench.scenarios.base import Bench, Load, Scenario, measured
from ops.bench.scenarios.orders import TO_CONFIRMED, buy_once
from ops.bench.shoppers import Shopper, arrive, leave
from ops.bench.stand import Stand

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

        sampling = asyncio.create_task(_sample(bench.on, figure, minutes * 60 / SAMPLES))
        try:
            await measured(bench, shoppers, load, figure, turn, seconds=minutes * 60, part=TO_CONFIRMED)
            if sampling.done():
                sampling.result()  # it only ends by an error
        finally:
            sampling.cancel()
            leave(shoppers)
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

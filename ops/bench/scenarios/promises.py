"""`quire check` on as many orders as a shop has in a year: how long it takes, and how much memory."""

import asyncio
import json
import os
import resource
import subprocess
import time

from ops.bench.confirmations import WAYS
from ops.bench.figures import Figure, WentWrong
from ops.bench.loops import closed_loop
from ops.bench.many import many_times
from ops.bench.scenarios.base import Bench, Load, Scenario
from ops.bench.scenarios.orders import buy_once
from ops.bench.settling import quiet
from ops.bench.shoppers import Shopper, arrive, leave
from ops.instance import QUIRE

ORDERS = 100_000
BOUGHT = 2_000  # of them, the others are copies
PEAK, OWN = "peak MB", "its own processor time, s"


async def _promises(bench: Bench, load: Load) -> list[Figure]:
    on = bench.on
    await _buy(bench, load)
    times = -(-ORDERS // await on.database.orders.count_documents({}))
    async with many_times(on.database, times) as database:
        env = dict(on.env) | {"QUIRE_DATABASE": database.name, "QUIRE_LOG_LEVEL": "error"}
        command = (*QUIRE, "check", "--json", "--settle", "0", "--management", on.rabbitmq.management_url)
        ended = await asyncio.to_thread(_ended, command, env)
        orders = await database.orders.count_documents({})
    figure = Figure(
        name="promises", load=f"{orders:,} orders", what=PROMISES.what, value=ended.seconds, unit="s"
    )
    figure.values = [figure.value]
    figure.also = {PEAK: ended.peak_mb, OWN: ended.cpu_s}
    return [figure]


async def _buy(bench: Bench, load: Load) -> None:
    """Until there are enough to be copied, and nothing is under way."""
    shoppers = await arrive(bench.on.urls, load.shoppers)
    async with WAYS[bench.confirm](bench.on) as ways:

        async def turn(shopper: Shopper, number: int) -> float:
            return await buy_once(bench, ways, shopper, number)

        while await bench.on.database.orders.count_documents({}) < BOUGHT:
            await closed_loop(shoppers, turn, bench.seconds)
    leave(shoppers)
    await quiet(bench.on)


class _Ended:
    """What a command took: seconds by the clock and of processor time, and its resident memory at its largest."""

    def __init__(self, seconds: float, usage: resource.struct_rusage) -> None:
        self.seconds = seconds
        self.cpu_s = usage.ru_utime + usage.ru_stime
        self.peak_mb = usage.ru_maxrss * 1024 / 1e6


def _ended(command: tuple[str, ...], env: dict[str, str]) -> _Ended:
    """Runs it to its end. Raises `WentWrong` where it finds a promise broken."""
    begun = time.perf_counter()
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as process:  # noqa: S603 - ours
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise WentWrong(f"`quire check` ended with {process.returncode}: {_broken(said)}")
    return _Ended(seconds, usage)


def _broken(said: bytes) -> str:
    """What a report in JSON names, of each invariant the first."""
    if not said:
        return "it said nothing"
    found = [each for each in json.loads(said)["invariants"] if each["violations"]]
    return "; ".join(f"{each['name']}: {each['listed'][0]}" for each in found)


PROMISES = Scenario("promises", f"`quire check` on {ORDERS:,} orders", _promises, loads=("once",))

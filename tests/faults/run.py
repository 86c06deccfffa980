"""One run: a stand, shoppers, the nemesis, the verdict, and a report of it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tests.faults.load import Load
from tests.faults.nemesis import Done, Nemesis, schedule
from tests.faults.stand import NotReady, Shape, Stand, serving, standing
from tests.faults.verdict import NEVER_END, Verdict, ended, judge

SLOW_S = 1.0  # of refusals that the report names
SLOW_MAX = 50
FAULT_S = 5.0  # what a fault takes besides its hold and gap, about


@dataclass
class Run:
    """What is asked for, and what came of it."""

    seed: int
    faults: int
    orders: int
    shape: Shape
    freeze_max_s: float = 60.0
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)
    done: list[Done] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)  # how often each part ended


@dataclass
class Watch:
    """Told of what goes on, for whoever looks at a terminal."""

    fault: Callable[[Done], None] = lambda _: None
    order: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda _: None


async def carry_out(run: Run, watch: Watch | None = None) -> Run:
    """Does it. What was broken is in `run.verdict`; raises `ServerMissing` where the machine cannot have the stand."""
    watch = watch or Watch()
    begun = time.monotonic()
    watch.say(f"starting RabbitMQ {run.shape.rabbitmq} on {run.shape.nodes}, MongoDB on {run.shape.members}")
    async with serving(run.shape) as servers, standing(servers) as stand, aiohttp.ClientSession() as http:
        faults = schedule(run.seed, run.faults, run.shape, run.freeze_max_s)
        seconds = sum(fault.hold_s + fault.gap_s + FAULT_S for fault in faults)
        load = Load(stand, run.seed, run.orders, seconds=seconds, on_order=watch.order)
        nemesis = Nemesis(stand, http, on_fault=watch.fault)
        await load.stock_up()
        watch.say(f"{run.orders} orders, {run.faults} faults of seed {run.seed}")
        shopping = asyncio.create_task(load.run())
        try:
            await _while_shopping(shopping, nemesis.run(faults))
            load.finish.set()
            watch.say("everything healed: the last orders")
            await stand.ready()
            finished = await ended(shopping, stand)
            watch.say("holding it against every promise")
            run.verdict = await judge(stand, load, nemesis)
            if not finished:
                run.verdict.blame(NEVER_END, ["shoppers still wait"])
        except NotReady as error:
            run.verdict.violations.append(str(error))
        finally:
            shopping.cancel()
            await asyncio.gather(shopping, return_exceptions=True)
            run.done = nemesis.done
            run.told = dict(load.client.told)
            run.ended = {part.name: len(part.ended) for part in stand.parts.values()}
            if run.verdict.violations or not run.verdict.counted:
                keep(stand)
    run.seconds = time.monotonic() - begun
    return run


async def _while_shopping(shopping: asyncio.Task[None], work: Any) -> None:
    """The work to its end; whoever of the shoppers dies of an error of ours ends the run."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task, shopping}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await shopping
    await task


def keep(stand: Stand) -> None:
    """Leaves the logs of the parts beside the report, for whoever looks for the cause."""
    target = Path("data/faults/logs") / stand.folder.name
    target.mkdir(parents=True, exist_ok=True)
    for log in stand.folder.glob("*/*.log*"):
        (target / log.name).write_bytes(log.read_bytes())


def write(run: Run, folder: Path) -> Path:
    """The report as JSON; the file that it stands in."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = run.shape
    path = folder / f"rabbitmq-{shape.rabbitmq}-{shape.nodes}x{shape.members}-seed-{run.seed}.json"
    told = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": run.seed,
        "shape": asdict(shape),
        "seconds": round(run.seconds, 1),
        "violations": run.verdict.violations,
        "counted": run.verdict.counted,
        "figures": {name: round(value, 3) for name, value in run.verdict.figures.items()},
        "answers": run.told,
        "slow_refusals": [
            each._asdict() for each in sorted(run.verdict.refusals, reverse=True) if each.seconds > SLOW_S
        ][:SLOW_MAX],
        "parts_ended": run.ended,
        "faults": [
            {
                "kind": done.fault.kind,
                "what": done.what,
                "seconds": round(done.healed - done.began, 1),
                "figures": {name: round(value, 2) for name, value in done.figures.items()},
            }
            for done in run.done
        ],
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    return path

"""The embedded default: how soon it is ready, and how much memory it takes."""

import asyncio
import os
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ops.bench.figures import Figure, WentWrong
from ops.bench.stand import usage_of
from ops.instance import QUIRE

EMBEDDED = "embedded"

READY_WITHIN_S = 120
STARTS = 3
STARTED = "Quire is ready on "


async def measure_embedded(folder: Path) -> list[Figure]:
    """Starts it once to fill its data folder, then again, a few times; medians of those."""
    await _start(folder)
    starts = [await _start(folder) for _ in range(STARTS)]
    seconds, resident = [start for start, _ in starts], [memory for _, memory in starts]
    return [
        Figure(
            name=name, load=EMBEDDED, what=what, unit=unit, value=sorted(values)[STARTS // 2], values=values
        )
        for name, what, unit, values in (
            ("start", "`quire up` to ready, second start", "s", seconds),
            ("memory", "resident, embedded, without mongod", "MB", resident),
        )
    ]


async def _start(folder: Path) -> tuple[float, float]:
    """Seconds to ready, and resident MB of the process and its helpers but mongod."""
    begun = time.perf_counter()
    async with quire_up(folder) as process:
        seconds = time.perf_counter() - begun
        return seconds, usage_of(process.pid, leave_out="mongod").resident / 1e6


@asynccontextmanager
async def quire_up(folder: Path) -> AsyncIterator[Process]:
    """`quire up` on a data folder, as a process of its own on a free port, once it is ready. Raises `WentWrong`."""
    process = await asyncio.create_subprocess_exec(
        *(*QUIRE, "up", "--port", "0", "--data", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"QUIRE_LOG_LEVEL": "error"},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while STARTED not in (line := (await process.stdout.readline()).decode()):
                if not line:
                    raise WentWrong("`quire up` ended before it was ready")
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()

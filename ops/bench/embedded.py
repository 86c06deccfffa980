"""The embedded default: how soon it is ready, and how much memory it takes."""

import asyncio
import os
import sys
import time
from pathlib import Path

from ops.bench.report import Figure
from ops.bench.shoppers import WentWrong
from ops.bench.stand import usage_of

READY_WITHIN_S = 120
STARTS = 3
START_S_MAX = 6.0
RESIDENT_MB_MAX = 250.0
STARTED = "Quire is ready on "


async def measure_embedded(folder: Path) -> list[Figure]:
    """Starts it once to fill its data folder, then again, a few times; medians of those."""
    await _start(folder)
    starts = [await _start(folder) for _ in range(STARTS)]
    seconds = sorted(start for start, _ in starts)[STARTS // 2]
    resident = sorted(memory for _, memory in starts)[STARTS // 2]
    return [
        Figure("start", "`quire up` to ready, second start", seconds, "s", at_most=START_S_MAX),
        Figure("memory", "resident, embedded, without mongod", resident, "MB", at_most=RESIDENT_MB_MAX),
    ]


async def _start(folder: Path) -> tuple[float, float]:
    """Seconds to ready, and resident MB of the process and its helpers but mongod."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-c",
            "from ops.cli import main; main()",
            "up",
            "--port",
            "0",
            "--data",
            str(folder),
        ),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"QUIRE_LOG_LEVEL": "error"},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while STARTED not in (line := (await process.stdout.readline()).decode()):
                if not line:
                    raise WentWrong("`quire up` ended before it was ready")
        seconds = time.perf_counter() - begun
        return seconds, usage_of(process.pid, leave_out="mongod").resident / 1e6
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()

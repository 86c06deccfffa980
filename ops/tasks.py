"""Several works at a time, and when a process stops."""

import asyncio
import signal
from collections.abc import Coroutine, Iterable
from typing import Any, TypeAlias

Work: TypeAlias = Coroutine[Any, Any, object] | asyncio.Future[Any]


async def together(works: Iterable[Work]) -> None:
    """All of them at once. Raises the first error as it is, with the others ended."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def first(*works: Work) -> None:
    """Returns when the first of them is done, and ends the others. Raises what it raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop

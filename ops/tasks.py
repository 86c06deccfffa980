"""Work that ends with other work, and when a process stops."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from broker.ending import Work, end

T = TypeVar("T")
AGAIN_AFTER_S = 60.0  # longer than what is ended takes to close: a RabbitMQ of our own 40 s


async def first(*works: Work) -> None:
    """Returns when the first of them is done, and ends the others. Raises what it raised, or they at their end."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(tasks, again_after_s=AGAIN_AFTER_S)
    for task in (*done, *(task for task in tasks if not task.cancelled())):
        task.result()


class Stopped(Exception):
    """This process was told to stop while it waited for something that it cannot do without."""


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """What the work comes to. Raises `Stopped` where the stop comes first; the work is ended then.

    What is open when it raises is closed by a task that nobody cancelled: a time limit that runs out in one that was
    raises CancelledError instead of TimeoutError in Python 3.11.2 (not in 3.11.7), and the closing would end there.
    """
    task = asyncio.ensure_future(work)
    await first(stop.wait(), task)
    if task.cancelled():
        raise Stopped
    return task.result()


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop

"""Ending tasks for good, and telling that from a connection that broke."""

import asyncio
from collections.abc import Collection
from typing import Any

AGAIN_AFTER_S = 0.2


async def end(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancels tasks until they are done; what they raise is theirs.

    Again and again, because a cancellation can get lost: `asyncio.wait_for` of Python 3.11 swallows one that comes
    together with its result (cpython#86296), and the MongoDB driver waits with it.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_AFTER_S)


def was_cancelled() -> bool:
    """Whether somebody cancelled this task. aiormq raises the same for what was under way on a broken connection."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0

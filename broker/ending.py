"""Several tasks at once, ending them for good, and telling that from a connection that broke."""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

AGAIN_AFTER_S = 0.2
Work: TypeAlias = Coroutine[Any, Any, object] | asyncio.Future[Any]


async def end(tasks: Collection["asyncio.Future[Any]"], *, again_after_s: float = AGAIN_AFTER_S) -> None:
    """Cancels tasks until they are done; what they raise is theirs.

    Again and again, because a cancellation can get lost: `asyncio.wait_for` of Python 3.11 swallows one that comes
    together with its result (cpython#86296), and the MongoDB driver waits with it. `again_after_s` is to be longer than
    what the tasks take to close: the next cancellation ends that too.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_after_s)


async def together(works: Iterable[Work]) -> None:
    """All of them at once. Raises the first error as it is, with the others ended."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end(tasks)


class ConnectionBroke(ConnectionError):
    """The connection to the broker broke under what was asked of it."""


@contextmanager
def breaks_told() -> Iterator[None]:
    """Raises `ConnectionBroke` for a cancellation that nobody asked for.

    aiormq cancels what is under way on a connection that breaks, that of a broker which said nothing for three
    heartbeats above all. Taken for a real one, it would end whoever asked without a word.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionBroke("the connection broke") from error

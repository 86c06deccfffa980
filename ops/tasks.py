"""Several works at a time."""

import asyncio
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

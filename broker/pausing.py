"""A database that stays away: the worker's queues are given back, and opened again by itself when it answers.

A change of primary takes 3 to 5 s (measured) and is sat out with the deliveries in hand. Longer, they go back to the
broker: nothing waits in memory, no consumer timeout runs, and whoever looks at the queues sees that nobody serves them.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pymongo
import structlog
from pymongo import WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from broker.pulse import BROKEN
from documents.actors import utc_now

log = structlog.get_logger(__name__)

PAUSE_AFTER_S = 5.0
LOOK_EVERY_S = 0.5
ANSWER_WITHIN_S = 5.0
PROBES = "probes"


class NeedsDatabase(Protocol):
    """A part that notes for itself whether the database answers it."""

    healthy: bool


class Queue(Protocol):
    """A subscription that can be given back."""

    async def open(self) -> None:
        """Consumes again."""
        ...

    async def close(self) -> None:
        """Gives back what it holds."""
        ...


class Pausing:
    """Watches the parts that need the database; `paused` while the queues are given back."""

    def __init__(
        self,
        database: AsyncDatabase[dict[str, Any]],
        parts: Sequence[NeedsDatabase],
        queues: Sequence[Queue],
        *,
        after_s: float = PAUSE_AFTER_S,
    ) -> None:
        self.paused = False
        self._probes = database.get_collection(
            PROBES, write_concern=WriteConcern("majority", j=True, wtimeout=int(ANSWER_WITHIN_S * 1000))
        )
        self._parts = tuple(parts)
        self._queues = tuple(queues)
        self._after_s = after_s

    async def run(self) -> None:
        """Works until cancelled."""
        now = asyncio.get_running_loop().time
        well_at = now()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if all(part.healthy for part in self._parts):
                well_at = now()
            elif now() - well_at > self._after_s:
                await self._pause()
                well_at = now()

    async def _pause(self) -> None:
        self.paused = True
        log.warning("queues.paused", why="the database is away")
        await self._each(lambda queue: queue.close())
        while not await self._writes():  # noqa: ASYNC110 - the database sets no Event
            await asyncio.sleep(LOOK_EVERY_S)
        for part in self._parts:
            part.healthy = True
        await self._each(lambda queue: queue.open())
        self.paused = False
        log.warning("queues.resumed")

    async def _each(self, call: Callable[[Queue], Any]) -> None:
        """Does it to every queue; a broker that is away meanwhile is waited for."""
        left = self._queues
        while left:
            done = await asyncio.gather(*(call(queue) for queue in left), return_exceptions=True)
            for error in done:
                if isinstance(error, BaseException) and not isinstance(error, BROKEN):
                    raise error
            left = tuple(queue for queue, error in zip(left, done, strict=True) if error is not None)
            if left:
                await asyncio.sleep(LOOK_EVERY_S)

    async def _writes(self) -> bool:
        """Whether a majority keeps a write: a primary that has lost its majority answers a ping."""
        try:
            with pymongo.timeout(ANSWER_WITHIN_S):
                await self._probes.update_one({"_id": "pause"}, {"$set": {"at": utc_now()}}, upsert=True)
        except PyMongoError:
            return False
        return True

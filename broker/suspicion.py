"""Suspicion: what the broker delivered in vain several times may be what killed whoever had it.

A message that kills its worker is given back with everything that the worker held, and all of it is counted once more:
the broker's limit alone would bury its neighbours with it. So from its third return on a message is tried in a batch of
its own, and a note in the database says so beforehand. A worker that finds enough such notes knows the killer by name
and buries it unread; its neighbours have been worked off one by one, and nobody has come near the limit. A killer that
is replayed is a suspect from its first delivery, and one death is enough: people replay many at once.

The prefetch stays what it is: a quorum queue puts what comes back behind what came back earlier and was not taken yet
(docs/decisions/0010), so that a head taken with a prefetch of one would be overtaken by its followers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from broker.delivery import Delivery
from broker.outcomes import key_of
from documents.actors import utc_now
from documents.suspects import Suspect

log = structlog.get_logger(__name__)

SUSPECT_AFTER = 3  # deliveries that ended without an ack
TRIES_ALONE_MAX = 3
TRIES_REPLAYED_MAX = 1  # of one that was buried for it
PAUSE_STEP_S = 0.1
PAUSE_MAX_S = 1.0
CLEARED_AFTER_S = 2.0  # what waits for the outside so long is not killing anybody

KILLED: Final = "killed its worker"


class KilledItsWorker(Exception):
    """The process died each time that the message was tried alone."""

    def __init__(self, delivery: Delivery, tries: int) -> None:
        super().__init__(
            f"its worker died each of the {tries} times that it was tried alone; {delivery.returns} deliveries in vain"
        )


def is_suspect(delivery: Delivery) -> bool:
    """Whether a message came back so often, or killed before, that it is to be taken alone."""
    return delivery.returns >= SUSPECT_AFTER or has_killed(delivery)


def has_killed(delivery: Delivery) -> bool:
    """Whether it is the replay of a message that was buried because its workers died."""
    return delivery.replay is not None and delivery.replay.killed


def pause_s(delivery: Delivery) -> float:
    """Seconds before a suspect of a group without order is tried: whatever else it holds goes first."""
    return min(PAUSE_MAX_S, PAUSE_STEP_S * max(1, delivery.returns - SUSPECT_AFTER + 1))


class Suspicion:
    """The notes of one process on the suspects that it tries. Raises what the driver raises."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._died = False

    async def note(self, delivery: Delivery) -> None:
        """Notes, durably, that it is about to be tried; one that was tried too often is to fail instead."""
        if delivery.noted or delivery.failure is not None or not is_suspect(delivery):
            return
        row = await Suspect.get_pymongo_collection().find_one_and_update(
            {"_id": key_of(delivery)},
            {"$inc": {"tries": 1}, "$set": {"at": utc_now()}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        assert row is not None  # it was upserted
        delivery.noted = True
        if row["tries"] > (TRIES_REPLAYED_MAX if has_killed(delivery) else TRIES_ALONE_MAX):
            delivery.fail(KILLED, KilledItsWorker(delivery, row["tries"] - 1))

    async def clear(self, delivery: Delivery) -> None:
        """Nobody died of it. A note that cannot be removed now is forgotten in a day."""
        if not delivery.noted:
            return
        try:
            await Suspect.get_pymongo_collection().delete_one({"_id": key_of(delivery)})
        except PyMongoError as error:
            log.warning("suspect.not_cleared", message=delivery.envelope.id, error=str(error))

    @asynccontextmanager
    async def alone(self, delivery: Delivery) -> AsyncIterator[None]:
        """For handlers that wait for the outside: one suspect at a time, each until it is done or beyond suspicion."""
        if not is_suspect(delivery):
            yield
            return
        await asyncio.sleep(pause_s(delivery))
        began, over = asyncio.Event(), asyncio.Event()
        turn = asyncio.create_task(self._turn_of(delivery, began, over))
        try:
            await began.wait()
            yield
        except asyncio.CancelledError:
            await self._end(delivery, turn, over)  # a stop is no death
            raise
        except BaseException:
            # The process is at its end: whoever it died of leaves its note, and nobody follows.
            self._died = True
            turn.cancel()
            raise
        await self._end(delivery, turn, over)

    async def _end(self, delivery: Delivery, turn: asyncio.Task[None], over: asyncio.Event) -> None:
        await self.clear(delivery)
        over.set()
        if not delivery.noted:
            turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)

    async def _turn_of(self, delivery: Delivery, began: asyncio.Event, over: asyncio.Event) -> None:
        async with self._turn:
            if self._died:
                return
            began.set()
            try:
                async with asyncio.timeout(CLEARED_AFTER_S):
                    await over.wait()
            except TimeoutError:
                await self.clear(delivery)

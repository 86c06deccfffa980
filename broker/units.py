"""Group commit for what unordered groups have decided: many units of work, one transaction; and group reads.

Each unit is atomic: its actors (compare-and-set), its receipt and its outbox rows. Units that cannot be written
together are split until the bad one stands alone; it alone gets the error.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from broker.actors.store import (
    TRANSACTION,
    AlreadyReceived,
    Fenced,
    finish_operations,
    insert_receipts,
    insert_rows,
    write_actors,
)
from broker.faults import CONFLICTS_TOLD, UNWRITABLE, conflict_delay, is_away, is_conflict, took_too_long
from broker.linger import linger_s
from broker.outbox import Row
from broker.outcomes import ReceiptRow, operations_ended
from broker.telemetry import SILENT, Span, Telemetry
from broker.together import Together
from documents.actors import Actor

log = structlog.get_logger(__name__)

Raw = dict[str, Any]

UNITS_MAX = 100
PAUSE_S = 0.5


@dataclass(eq=False, slots=True)
class Unit:
    """What is to be written together, and the future that tells how it went."""

    actors: tuple[Actor, ...] = ()
    receipt: ReceiptRow | None = None
    rows: tuple[Row, ...] = ()
    span: Span | None = None
    written: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class GroupLoad:
    """Reads documents in groups: those that are asked for while a query is under way share the next one."""

    def __init__(self) -> None:
        self._reads: dict[type[Actor], Together[str, dict[str, Raw]]] = {}

    async def get(self, kind: type[Actor], key: str) -> Raw | None:
        """The document as it is now, or None. Raises what the driver raises."""
        read = self._reads.get(kind)
        if read is None:
            read = self._reads[kind] = Together(partial(_read, kind))
        return (await read([key])).get(key)


async def _read(kind: type[Actor], keys: list[str]) -> dict[str, Raw]:
    found = kind.get_pymongo_collection().find({"_id": {"$in": keys}})
    return {raw["_id"]: raw async for raw in found}


class GroupCommit:
    """Commits units in groups: whatever waits goes into the next transaction.

    `commit` returns once the unit is durable (majority, journalled). Raises `Fenced` when an actor had moved on,
    `AlreadyReceived` when the message was processed before, and what `UNWRITABLE` names for data that cannot be
    written; a database that is away is waited for.
    """

    def __init__(self, client: AsyncMongoClient[dict[str, object]], telemetry: Telemetry = SILENT) -> None:
        self._client = client
        self._telemetry = telemetry
        self.loads = GroupLoad()
        self._waiting: asyncio.Queue[Unit] = asyncio.Queue()
        self.healthy = True

    async def commit(self, unit: Unit) -> None:
        """Writes a unit with whatever else waits."""
        self._waiting.put_nowait(unit)
        await unit.written

    async def until_there(self, error: BaseException) -> None:
        """Returns once the database answers again, after a read that it did not answer."""
        self._away(error)
        while True:
            try:
                await self._client.admin.command("ping")
            except PyMongoError as again:
                if not is_away(again):
                    raise
                await asyncio.sleep(PAUSE_S)
            else:
                self.healthy = True
                return

    async def run(self) -> None:
        """Works until cancelled, on one session: see `CommitLoop.run`."""
        async with self._client.start_session() as session:
            await self._take(session)

    async def _take(self, session: AsyncClientSession) -> None:
        size = 0
        while True:
            units = [await self._waiting.get()]
            if wait_s := linger_s(size, self._waiting.qsize()):
                await asyncio.sleep(wait_s)
            while len(units) < UNITS_MAX and not self._waiting.empty():
                units.append(self._waiting.get_nowait())
            size = len(units)
            await self._write([unit for unit in units if not unit.written.done()], session)

    async def _write(self, units: Sequence[Unit], session: AsyncClientSession) -> None:
        conflicts = 0
        while units:
            try:
                await self._transaction(units, session)
            except (AlreadyReceived, Fenced) as error:
                await self._split(units, session, error)
                return
            except UNWRITABLE as error:
                if is_conflict(error):
                    conflicts += 1
                    if took_too_long(error) and len(units) > 1:
                        log.warning("units.split", size=len(units), error=str(error))
                        await self._split(units, session, error)
                        return
                    if conflicts % CONFLICTS_TOLD == 0:
                        log.warning("units.conflicts", size=len(units), conflicts=conflicts, error=str(error))
                    await asyncio.sleep(conflict_delay(conflicts))
                elif is_away(error):
                    self._away(error)
                    await asyncio.sleep(PAUSE_S)
                else:
                    await self._split(units, session, error)
                    return
            else:
                self.healthy = True
                for unit in units:
                    if not unit.written.done():
                        unit.written.set_result(None)
                return

    async def _transaction(self, units: Sequence[Unit], session: AsyncClientSession) -> None:
        receipts = [unit.receipt for unit in units if unit.receipt is not None]
        with self._telemetry.round("unordered", units) as told, told.transaction():
            async with await session.start_transaction(**TRANSACTION):
                await insert_receipts(receipts, session)
                await write_actors((actor for unit in units for actor in unit.actors), session)
                await finish_operations(operations_ended(receipts), session)
                await insert_rows([row for unit in units for row in unit.rows], session)

    async def _split(self, units: Sequence[Unit], session: AsyncClientSession, error: Exception) -> None:
        if len(units) == 1:
            if not units[0].written.done():
                units[0].written.set_exception(error)
            return
        middle = len(units) // 2
        await self._write(units[:middle], session)
        await self._write(units[middle:], session)

    def _away(self, error: BaseException) -> None:
        if self.healthy:
            log.warning("database.away", error=str(error))
        self.healthy = False

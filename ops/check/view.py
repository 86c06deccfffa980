"""What the checks read: one moment of the database and the gateway's books, and the broker beside it.

All reads share a snapshot session (read concern `snapshot`, one cluster time), so that documents written by one
transaction are seen together or not at all. The embedded broker's journal is among them. A RabbitMQ has no such thing:
it is read before the snapshot is taken, dead letters included, so that what it no longer holds has left its effect in
the snapshot.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.command_cursor import AsyncCommandCursor
from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.asynchronous.database import AsyncDatabase

from documents.actors import utc_now
from documents.operations import RECEIPT_LIFETIME
from ops.check.excuses import LONGEST_RETRY, Dead, newest, queues_of, waiting_key
from ops.check.queues import Broker, JournalQueues, Waiting

T = TypeVar("T")

Row = dict[str, Any]
Database = AsyncDatabase[Row]

CHUNK = 1_000  # documents looked up at a time
BATCH = 2_000  # documents read at a time
TTL_SLACK = timedelta(hours=1)  # the database drops what is due within minutes, not at once


@dataclass(slots=True)
class View:
    """One moment. `settle` is how long something may be under way before it counts as stuck.

    `dead` has the letters of each group, `dying` those in the outbox; `under_way` what waits, where bodies can be read
    (the embedded broker), and None elsewhere; `replayed` when a group's letters were last sent round again. `unseen`
    collects, by invariant, what of it nobody could look at.
    """

    database: Database
    gateway: Database
    session: AsyncClientSession | None
    now: datetime
    settle: timedelta
    broker: Broker | None = None
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    never_empty: Sequence[str] = ()
    dead: Mapping[str, Dead] = field(default_factory=dict)
    dying: AbstractSet[bytes] = frozenset()
    under_way: AbstractSet[bytes] | None = None
    replayed: Mapping[str, datetime] = field(default_factory=dict)
    unseen: dict[str, list[str]] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)

    def begin(self, session: AsyncClientSession, replayed: Mapping[str, datetime]) -> None:
        """Looks at the moment of a snapshot session, and has seen nothing of it yet."""
        self.session, self.replayed, self.now = session, replayed, utc_now()
        self.counted = {}
        self.unseen = {}
        if isinstance(self.broker, JournalQueues):
            self.broker.session = session
        if self.broker is not None and self.broker.remark is not None:
            self.unseen["queue-empty"] = [self.broker.remark]

    def late(self, since: datetime | None) -> bool:
        """Whether what was to follow should have followed by now."""
        return since is not None and self.now - since > self.settle

    def kept(self, at: datetime | None) -> bool:
        """Whether the receipt of something that happened then must still be there."""
        return at is not None and self.now - at < RECEIPT_LIFETIME - TTL_SLACK

    def waits(self, group: str, names: Iterable[str], since: datetime | None) -> bool:
        """Whether what is missed may wait for a group, its retry queues included.

        Where bodies can be read, a message of one of these ids or keys must wait. Elsewhere any message will do, but no
        longer than the longest way through all retry queues, counted from `since` or from the group's last replay.
        """
        if self.under_way is not None:
            return any(waiting_key(group, name) in self.under_way for name in names)
        begun = newest((since, self.replayed.get(group)))
        if begun is None or self.now - begun > self.settle + LONGEST_RETRY:
            return False
        return any(self.waiting[queue].total > 0 for queue in queues_of(group) if queue in self.waiting)

    def reads_dead(self, group: str) -> bool:
        """Whether a group's dead letters could be looked at."""
        return group in self.dead and self.dead[group].unread is None

    def has_letter(self, group: str, message_id: str, failed_at: datetime) -> bool:
        """Whether the letter of a failure stands, is on its way, or may be where nobody could look.

        What was not yet late when the letters were read may have left the outbox since.
        """
        if not self.reads_dead(group):
            return True
        dead = self.dead[group]
        young = dead.at - failed_at < self.settle
        return young or dead.stands(message_id, failed_at) or waiting_key(group, message_id) in self.dying

    def count(self, what: str, number: int = 1) -> None:
        """Notes how much was looked at."""
        self.counted[what] = self.counted.get(what, 0) + number

    def find(
        self, collection: str, where: Row, fields: Iterable[str], sort: str | None = None
    ) -> AsyncCursor[Row]:
        """Documents of this moment, some fields of them, streamed; without a `sort` as they lie."""
        return self.pick(collection, where, dict.fromkeys(fields, 1), sort)

    def pick(self, collection: str, where: Row, shape: Row, sort: str | None = None) -> AsyncCursor[Row]:
        """As `find`, with a projection of its own."""
        cursor = self.database[collection].find(
            where, shape, session=self.session, batch_size=BATCH, allow_disk_use=True
        )
        return cursor.sort(sort, 1) if sort is not None else cursor

    async def ordered(self, collection: str, where: Row, shape: Row, key: str) -> AsyncCommandCursor[Row]:
        """Documents in the order of a key, for a merge; see `ordered_in`."""
        return await self.ordered_in(self.database[collection], where, shape, key)

    async def ordered_in(
        self, collection: AsyncCollection[Row], where: Row, shape: Row, key: str
    ) -> AsyncCommandCursor[Row]:
        """Read as they lie, cut down to `shape`, and sorted by the server, on its disk where it must.

        Not by the key's index: ids are random, so that each document would be another page of the disk. With 1 GB of
        data behind a cache of 0.25 GB that took the server twice the time.
        """
        pipeline = [{"$match": where}, {"$project": shape}, {"$sort": {key: 1}}]
        return await collection.aggregate(
            pipeline, session=self.session, allowDiskUse=True, batchSize=BATCH, hint={"$natural": 1}
        )

    async def charges(self) -> AsyncCommandCursor[Row]:
        """The gateway's books of this moment, by key."""
        fields = ("status", "amount", "currency", "entries.entry", "entries.amount")
        return await self.ordered_in(self.gateway["charges"], {}, dict.fromkeys(fields, 1), "_id")

    async def sums(self, collection: str, pipeline: Sequence[Row]) -> AsyncCommandCursor[Row]:
        """As `aggregate`, for a merge."""
        return await self.database[collection].aggregate(
            pipeline, session=self.session, allowDiskUse=True, batchSize=BATCH
        )

    async def aggregate(self, collection: str, pipeline: Sequence[Row]) -> AsyncIterator[Row]:
        """What the server makes of this moment's documents, spilling to its disk where it must."""
        cursor = await self.sums(collection, pipeline)
        async for row in cursor:
            yield row

    async def known(self, collection: str, ids: Iterable[str], *fields: str) -> dict[str, Row]:
        """Documents by id; hand it no more than a chunk."""
        found = self.database[collection].find(
            {"_id": {"$in": list(ids)}}, dict.fromkeys(("_id", *fields), 1), session=self.session
        )
        return {row["_id"]: row for row in await found.to_list()}


async def chunks(rows: AsyncIterator[T], size: int = CHUNK) -> AsyncIterator[list[T]]:
    """A stream in handy pieces."""
    chunk: list[T] = []
    async for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class Side:
    """One sorted stream of a merge: read in batches, the next one asked for while the last is worked off."""

    def __init__(self, cursor: AsyncCursor[Row] | AsyncCommandCursor[Row], key: str) -> None:
        self._cursor = cursor
        self._key = key
        self._batch: list[Row] = []
        self._at = 0
        self._next: asyncio.Task[list[Row]] | None = None
        self._over = False
        self.head: str | None = None

    async def begin(self) -> None:
        """Reads as far as the first key."""
        await self._fill()

    async def take(self) -> list[Row]:
        """The documents of the key at its head; the head is then the next key, None at the end."""
        key, taken = self.head, []
        while self.head == key:
            taken.append(self._batch[self._at])
            self._at += 1
            if self._at < len(self._batch):
                self.head = self._batch[self._at][self._key]
            else:
                await self._fill()
        return taken

    async def close(self) -> None:
        """Lets go of the cursor."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._cursor.close()

    async def _fill(self) -> None:
        self._batch, self._at = ([] if self._over else await (self._next or self._read())), 0
        self._next = None
        if self._batch:
            self._next = asyncio.create_task(self._read())
        else:
            self._over = True
        self.head = self._batch[0][self._key] if self._batch else None

    async def _read(self) -> list[Row]:
        return await self._cursor.to_list(BATCH)


async def merged(*sides: Side) -> AsyncIterator[tuple[str, list[list[Row]]]]:
    """Streams sorted by key, side by side: for each key what each stream has of it, [] where it has nothing.

    MongoDB sorts strings by their UTF-8 bytes and Python by code points, which is the same order.
    """
    try:
        for side in sides:
            await side.begin()
        while (key := min((side.head for side in sides if side.head is not None), default=None)) is not None:
            yield key, [await side.take() if side.head == key else [] for side in sides]
    finally:
        for side in sides:
            await side.close()

"""The journal of the embedded default: two collections in the database that Quire already has."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bson.errors import BSONError
from pymongo import UpdateOne, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from broker.embedded.journal import Entry, JournalError, surviving

# MongoDB's documents end at 16 MB; some room is left for names, keys, and what dead-lettering adds to the
# headers.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024 - 256 * 1024


class MongoJournal:
    """Keeps messages in `broker_messages` and how far each queue was delivered in `broker_marks`.

    An append returns once a majority has it in its on-disk journal (w: majority, j: true). Removals and marks
    are only acknowledged by the primary: a lost one means a second delivery, which receipts absorb.
    """

    message_bytes_max = MESSAGE_BYTES_MAX

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        # Read at a start only, and then the primary's latest: with read concern majority a removal
        # acknowledged by the primary alone might not be seen yet.
        latest = ReadConcern("local")
        kept, lazy = WriteConcern(w="majority", j=True), WriteConcern(w=1)
        self._messages = database.get_collection("broker_messages", write_concern=kept, read_concern=latest)
        self._lazily = database.get_collection("broker_messages", write_concern=lazy)
        self._marks = database.get_collection("broker_marks", write_concern=lazy, read_concern=latest)

    async def append(self, entries: Sequence[Entry]) -> None:
        """One ordered insert of the whole group."""
        async with _told(f"could not keep {len(entries)} messages"):
            await self._messages.insert_many([_document(entry) for entry in entries], ordered=True)

    async def remove(self, ids: Sequence[int]) -> None:
        """One delete for the whole group."""
        async with _told(f"could not remove {len(ids)} acked messages"):
            await self._lazily.delete_many({"_id": {"$in": list(ids)}})

    async def mark(self, delivered: Mapping[str, int]) -> None:
        """One bulk write, one document a queue."""
        async with _told(f"could not mark deliveries of {', '.join(delivered)}"):
            await self._marks.bulk_write(
                [
                    UpdateOne({"_id": queue}, {"$max": {"id": at}}, upsert=True)
                    for queue, at in delivered.items()
                ],
                ordered=False,
            )

    async def load(self) -> list[Entry]:
        """All entries by id. A crash in here may count a return twice: it only guards against poison."""
        async with _told("could not read the journal"):
            async for mark in self._marks.find():
                await self._messages.update_many(
                    {"q": mark["_id"], "_id": {"$lte": mark["id"]}}, {"$inc": {"r": 1}}
                )
                await self._marks.delete_one({"_id": mark["_id"]})
            entries = [_entry(found) async for found in self._messages.find().sort("_id", 1)]
            kept = surviving(entries)
            stale = {entry.id for entry in entries} - {entry.id for entry in kept}
            if stale:
                await self._messages.delete_many({"_id": {"$in": list(stale)}})
            return kept


@asynccontextmanager
async def _told(what: str) -> AsyncIterator[None]:
    try:
        yield
    except (PyMongoError, BSONError) as error:
        raise JournalError(f"{what} in MongoDB: {error}") from error


def _document(entry: Entry) -> dict[str, Any]:
    document: dict[str, Any] = {
        "_id": entry.id,
        "q": entry.queue,
        "e": entry.exchange,
        "k": entry.routing_key,
        "p": entry.properties,
        "b": entry.body,
    }
    if entry.expires_at is not None:
        document["x"] = entry.expires_at
    if entry.returns:
        document["r"] = entry.returns
    if entry.moved_from is not None:
        document["m"] = entry.moved_from
    return document


def _entry(found: Mapping[str, Any]) -> Entry:
    return Entry(
        id=found["_id"],
        queue=found["q"],
        exchange=found["e"],
        routing_key=found["k"],
        properties=bytes(found["p"]),
        body=bytes(found["b"]),
        expires_at=found.get("x"),
        returns=found.get("r", 0),
        moved_from=found.get("m"),
    )

"""MongoDB's commands as they are, for transactions of which a worker makes a hundred a second.

The driver's methods make an object of each write, of each answer and of each cursor, and get ready for retries that a
transaction does not have. One that reads and writes four carts took the worker 0.87 ms of processor time with them and
0.66 ms with these. Errors are the driver's own either way. A command holds 16 MB: what is more together raises
(`DocumentTooLarge`, `InvalidDocument`) where the driver would have sent several, and its batch is halved like any other
that cannot be written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from documents.actors import Write

Raw = dict[str, Any]
Collection = AsyncCollection[Raw]

FOUND_AT_ONCE = 1_000  # more than any batch asks for; what is beyond 16 MB comes in further answers


async def find(
    collection: Collection, query: Raw, session: AsyncClientSession, fields: Mapping[str, int] | None = None
) -> list[Raw]:
    """All documents that match, or of each the named fields. Raises what the driver raises."""
    asked = {"find": collection.name, "filter": query, "batchSize": FOUND_AT_ONCE}
    if fields is not None:
        asked["projection"] = fields
    cursor = (await _asked(collection, asked, session))["cursor"]
    found: list[Raw] = cursor["firstBatch"]
    while cursor["id"]:
        more = {"getMore": cursor["id"], "collection": collection.name}
        cursor = (await _asked(collection, more, session))["cursor"]
        found += cursor["nextBatch"]
    return found


async def insert(
    collection: Collection, documents: Sequence[Raw], session: AsyncClientSession, *, ordered: bool = False
) -> None:
    """Inserts documents; the server gives an `_id` to those without. Raises BulkWriteError, as `insert_many` does."""
    await _written(
        collection,
        {"insert": collection.name, "documents": list(documents), "ordered": ordered},
        session,
    )


async def update(collection: Collection, writes: Sequence[Write], session: AsyncClientSession) -> int:
    """Updates at most one document for each; how many were found. Raises BulkWriteError, as `bulk_write` does."""
    updates = [{"q": write.guard, "u": write.change} for write in writes]
    done = await _written(
        collection, {"update": collection.name, "updates": updates, "ordered": True}, session
    )
    found: int = done["n"]
    return found


async def _written(collection: Collection, asked: Raw, session: AsyncClientSession) -> Raw:
    done = await _asked(collection, asked, session)
    if done.get("writeErrors"):
        raise BulkWriteError(done)
    return done


async def _asked(collection: Collection, asked: Raw, session: AsyncClientSession) -> Raw:
    done: Raw = await collection.database.command(
        asked, session=session, codec_options=collection.codec_options
    )
    return done

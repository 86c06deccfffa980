"""A database many times over: what a few thousand real orders left, copied under other ids until it is a year's worth.

Copies are faithful but for their ids, so that every promise holds of them as of the originals; but for one: a merge's
second step has an id that is a hash of the first one's, which copies do not keep.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from string import ascii_lowercase
from typing import Any

from bson import encode
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.write_concern import WriteConcern

Database = AsyncDatabase[dict[str, Any]]

INSERTED_AT_ONCE = 5_000
MANY = ("orders", "payments", "charges", "shipments", "movements", "notifications", "receipts", "carts")
COUNTS = ("on_hand", "reserved", "available")  # of a title's stock: as many times as there are copies
# Ids as Quire makes them: Base32; UUIDs with and without hyphens, and hashes, after a letter or not.
ID = re.compile(
    rb"(?<![a-z0-9])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z]?[0-9a-f]{32,64}|[a-z][a-z2-7]{24,25})(?![a-z0-9])"
)
BASE32 = (ascii_lowercase + "234567").encode()
HEX = b"0123456789abcdef"
UUID_SHORTEST = 32
CHANGED = 6  # places of an id that say which copy it is of


@asynccontextmanager
async def many_times(database: Database, times: int) -> AsyncIterator[Database]:
    """A database that holds so many of all that comes with orders, and the rest once; gone with the block.

    The gateway's books stand beside it (`<name>_gateway`). Copies' ids are as long as the originals', and as random.
    """
    client, name = database.client, f"{database.name}_many"
    try:
        for suffix in ("", "_gateway"):
            for collection in await client[database.name + suffix].list_collection_names():
                source = client[database.name + suffix][collection]
                await _copy(source, client[name + suffix][collection], times)
        yield client.get_database(name, codec_options=database.codec_options)
    finally:
        for suffix in ("", "_gateway"):
            await client.drop_database(name + suffix)


async def _copy(
    source: AsyncCollection[dict[str, Any]], target: AsyncCollection[dict[str, Any]], times: int
) -> None:
    quick = target.with_options(write_concern=WriteConcern(1, j=False))
    batch: list[RawBSONDocument] = []
    async for document in source.find():
        for copy in _copies(source.name, document, times):
            batch.append(copy)
            if len(batch) == INSERTED_AT_ONCE:
                await quick.insert_many(batch, ordered=False)
                batch = []
    if batch:
        await quick.insert_many(batch, ordered=False)
    await _same_indexes(source, target)


def _copies(collection: str, document: dict[str, Any], times: int) -> list[RawBSONDocument]:
    """So many under ids of their own, or one, its counts so many times."""
    if collection not in MANY:
        counts = {count: document[count] * times for count in COUNTS if count in document}
        return [RawBSONDocument(encode(document | counts))]
    if not isinstance(document["_id"], str):
        document.pop("_id")  # the server's own, which nothing refers to
    first = encode(document)
    return [RawBSONDocument(ID.sub(_of(number), first)) for number in range(times)]


def _of(number: int) -> Callable[[re.Match[bytes]], bytes]:
    """Makes the id that the n-th copy has instead: its last places, read as a number, plus n."""

    def changed(found: re.Match[bytes]) -> bytes:
        old = found.group()
        digits = BASE32 if len(old) < UUID_SHORTEST else HEX
        last = bytearray(old[-CHANGED:])
        carry = number
        for place in reversed(range(CHANGED)):
            carry, rest = divmod(digits.index(last[place]) + carry, len(digits))
            last[place] = digits[rest]
        return old[:-CHANGED] + bytes(last)

    return changed


async def _same_indexes(
    source: AsyncCollection[dict[str, Any]], target: AsyncCollection[dict[str, Any]]
) -> None:
    for name, index in (await source.index_information()).items():
        if name != "_id_":
            keys = index.pop("key")
            index.pop("v", None)
            index.pop("ns", None)
            await target.create_index(keys, name=name, **index)

"""Writing a document as its `Write` says."""

from typing import Any

from pymongo.asynchronous.collection import AsyncCollection

from documents.actors import Write


async def written(collection: AsyncCollection[dict[str, Any]], write: Write) -> int:
    """Inserts, or updates where the guard finds; how many documents are there or were found."""
    if write.guard is None:
        await collection.insert_one(write.change)
        return 1
    return (await collection.update_one(write.guard, write.change)).matched_count

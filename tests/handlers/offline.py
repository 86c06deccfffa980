"""Beanie's document classes without a database, for rules that need none.

Beanie wants a collection before it makes a document. This gives a class one whose client never connects; a
class that some other fixture has tied to a real database keeps that.
"""

from typing import Any

from beanie import Document, init_beanie
from beanie.exceptions import CollectionWasNotInitialized
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection


class NoDatabase:
    """As much of a database as Beanie's initialisation asks for; whoever writes to it waits for a server in vain."""

    def __init__(self) -> None:
        self.client = AsyncMongoClient[dict[str, Any]]("mongodb://127.0.0.1:9", connect=False)

    async def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Answers buildInfo."""
        return {"version": "6.0.5"}

    async def list_collection_names(self, **_: Any) -> list[str]:
        """There are none."""
        return []

    def __getitem__(self, name: str) -> AsyncCollection[dict[str, Any]]:
        return self.client["nowhere"][name]


async def tie(*kinds: type[Document]) -> None:
    """Makes documents of these classes constructible."""
    missing = []
    for kind in kinds:
        try:
            kind.get_pymongo_collection()
        except (CollectionWasNotInitialized, AttributeError):
            missing.append(kind)
    if missing:
        nowhere: Any = NoDatabase()
        await init_beanie(database=nowhere, document_models=missing, skip_indexes=True)

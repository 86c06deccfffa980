"""Breaking one thing at a time, in a database that can be made whole again."""

from typing import Any

from pymongo import WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from documents.orders import Order
from tests.ops.test_check.journeys import Journeys

Row = dict[str, Any]
UNTOUCHED = ("users", "refresh_tokens", "imports", "broker_marks")


class Plants:
    """The database of `filled`, and what its collections held."""

    def __init__(self, database: AsyncDatabase[Row], journeys: Journeys) -> None:
        self.database = database
        self.gateway = database.client[f"{database.name}_gateway"]
        self.orders = journeys.orders
        self.carts = journeys.carts
        self._kept: list[tuple[AsyncCollection[Row], list[Row]]] = []

    async def remember(self) -> None:
        """Keeps every document; there are few."""
        for database in (self.database, self.gateway):
            for name in await database.list_collection_names():
                if name not in UNTOUCHED and not name.startswith("system."):
                    self._kept.append((database[name], await database[name].find().to_list()))

    async def restore(self) -> None:
        """Puts back what has changed."""
        for collection, kept in self._kept:
            if await collection.find().to_list() != kept:
                await collection.delete_many({})
                if kept:
                    await collection.insert_many(kept)
        await self.database["orders"].create_indexes(Order.Settings.indexes)

    async def change(self, collection: str, where: str | Row, change: Row | list[Row]) -> None:
        """One document is no longer as it was, past validators."""
        wanted = {"_id": where} if isinstance(where, str) else where
        loose = self.database.get_collection(collection, write_concern=WriteConcern("majority"))
        done = await loose.update_one(wanted, change, bypass_document_validation=True)
        assert done.modified_count == 1, f"nothing was planted in {collection} at {where}"

    async def charge(self, order: str, change: Row | list[Row]) -> None:
        """The gateway's books are no longer as they were."""
        done = await self.gateway["charges"].update_one({"_id": order}, change)
        assert done.modified_count == 1

    async def one(self, collection: str, where: str | Row) -> Row:
        """A document as it stands."""
        found = await self.database[collection].find_one({"_id": where} if isinstance(where, str) else where)
        assert found is not None, f"{collection} has no {where}"
        return found

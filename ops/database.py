"""The database: one client a process, documents registered, indexes and validators in place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pymongo
from beanie import init_beanie
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from documents import DOCUMENTS
from documents.stock import STOCK_VALIDATOR, Stock

Database = AsyncDatabase[dict[str, Any]]

SELECT_WITHIN_MS = 5_000
ANSWER_WITHIN_MS = 20_000
POOL_MAX = 50
CLOSE_WITHIN_S = 2.0


@asynccontextmanager
async def open_database(url: str, name: str, *, app: str = "quire") -> AsyncIterator[Database]:
    """A database whose writes are durable (majority, journalled) and whose documents are registered with Beanie."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        url,
        appname=app,
        tz_aware=True,
        maxPoolSize=POOL_MAX,
        serverSelectionTimeoutMS=SELECT_WITHIN_MS,
        socketTimeoutMS=ANSWER_WITHIN_MS,
        retryWrites=True,
    )
    try:
        database = client.get_database(
            name,
            write_concern=WriteConcern("majority", j=True),
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )
        await prepare(database)
        yield database
    finally:
        # It says goodbye, and would wait for an answer as long as for any other. Not cancelled: that can leave it
        # half closed.
        with pymongo.timeout(CLOSE_WITHIN_S):
            await client.close()


async def prepare(database: Database) -> None:
    """Registers every document; makes collections, indexes and validators that are missing.

    Collections are made here because a transaction that has to create one conflicts with its neighbours.
    """
    there = set(await database.list_collection_names())
    for document in DOCUMENTS:
        name: str = getattr(document.Settings, "name")  # noqa: B009 - each declares its own Settings class
        if name not in there:
            try:
                await database.create_collection(name, check_exists=False)
            except OperationFailure as error:
                if error.code != 48:  # NamespaceExists: another process was faster
                    raise
    await database.command("collMod", Stock.Settings.name, validator=STOCK_VALIDATOR)
    await init_beanie(database=database, document_models=list(DOCUMENTS))

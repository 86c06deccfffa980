"""Reading and writing a batch's documents: each collection once, all in one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pymongo import AsyncMongoClient, ReadPreference, ReplaceOne, UpdateMany
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from broker import bare
from broker.actors.apply import ActorKey, Decided, HandlerFailed, Loaded
from broker.delivery import Delivery
from broker.groups import Offer, OrderedGroup
from broker.outbox import Row
from broker.outcomes import ReceiptRow, key_of, operations_ended, replayed_before
from documents.actors import Actor, Write, utc_now
from documents.operations import Outcome, Receipt
from documents.outbox import OutboxRow
from documents.stock import Movement, Stock

BOOKS = "books"
DUPLICATE_KEY = 11000
COMMIT_TIME_MS_MAX = 5_000


class Fenced(Exception):
    """A document had moved on or was there first: another owner was here. To be redone on fresh documents."""


class AlreadyReceived(Exception):
    """A receipt was there before: the batch is to be redone with a look-up."""


TRANSACTION: dict[str, Any] = {
    "read_concern": ReadConcern("snapshot"),
    "write_concern": WriteConcern("majority", j=True, wtimeout=COMMIT_TIME_MS_MAX),
    "read_preference": ReadPreference.PRIMARY,
    "max_commit_time_ms": COMMIT_TIME_MS_MAX,
}


class Store:
    """The database behind the actors. All methods run inside the caller's transaction."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]], groups: Mapping[str, OrderedGroup]) -> None:
        self.client: AsyncMongoClient[dict[str, Any]] = database.client
        self._books: AsyncCollection[dict[str, Any]] = database[BOOKS]
        self._groups = groups

    async def load(self, batch: Sequence[Delivery], session: AsyncClientSession, *, look_up: bool) -> Loaded:
        """The actors of a batch, then the titles that they turn out to need: one query a collection.

        Raises `HandlerFailed` for a message whose titles cannot be told.
        """
        loaded = Loaded()
        replays = [each for each in batch if each.replay is not None]
        if look_up or replays:
            keys = {key_of(each) for each in (batch if look_up else replays)}
            keys.update(before for each in replays if (before := replayed_before(each)) is not None)
            loaded.known = await known_receipts(keys, session)
        for name, group in self._groups.items():
            # Of messages that fail too: their receipts hold the revision that their actor had.
            owners = {each.envelope.key for each in batch if each.group.name == name and each.envelope.key}
            if owners:
                await _load_actors(group.actor, list(owners), loaded, session)
        await self._load_titles(batch, loaded, session)
        return loaded

    async def _load_titles(
        self, batch: Sequence[Delivery], loaded: Loaded, session: AsyncClientSession
    ) -> None:
        offered: set[str] = set()
        counted: set[str] = set()
        named: defaultdict[ActorKey, set[str]] = defaultdict(set)
        for each in batch:
            named[each.actor].update(_titles_in(each))
            group = self._groups[each.group.name]
            kind = type(each.message)
            if each.failure is not None or not (kind in group.offers_for or kind in group.stock_for):
                continue
            actor = loaded.actors.get((group.actor.kind, each.envelope.key)) or group.fresh(each.envelope.key)
            if actor is None:
                continue
            try:
                # What an earlier message of the batch puts into the cart is needed too.
                titles = {*group.titles(actor, each.message), *named[each.actor]}
            except Exception as error:
                raise HandlerFailed(each, error) from error
            if kind in group.offers_for:
                offered |= titles
            if kind in group.stock_for:
                counted |= titles
        if offered:
            loaded.offers = await self._offers(offered, session)
        if counted:
            wanted = {"_id": {"$in": list(counted)}}
            for raw in await bare.find(Stock.get_pymongo_collection(), wanted, session):
                loaded.stock[raw["_id"]] = Stock.loaded(raw)
            for isbn in counted - loaded.stock.keys():
                loaded.stock[isbn] = Stock(id=isbn)

    async def _offers(self, isbns: set[str], session: AsyncClientSession) -> dict[str, Offer]:
        wanted = {"_id": {"$in": list(isbns)}, "for_sale": True, "price": {"$ne": None}}
        found = await bare.find(self._books, wanted, session, {"title": 1, "price": 1})
        return {
            raw["_id"]: Offer(raw["_id"], raw["title"], raw["price"]["amount"], raw["price"]["currency"])
            for raw in found
        }

    async def write(self, loaded: Loaded, decided: Decided, session: AsyncClientSession) -> None:
        """Everything that a batch comes to. Raises `Fenced` or `AlreadyReceived`."""
        await insert_receipts(list(decided.receipts.values()), session)
        await write_actors(loaded.actors.values(), session)
        await self._write_stock(loaded.stock.values(), session)
        await finish_operations(operations_ended(decided.receipts.values()), session)
        await insert_rows(decided.rows, session)

    async def _write_stock(self, stock: Iterable[Stock], session: AsyncClientSession) -> None:
        changed = [each for each in stock if each.changed]
        if not changed:
            return
        await _guarded(Stock.get_pymongo_collection(), [each.write() for each in changed], session)
        now = utc_now()
        movements = [movement for each in changed for movement in each.movements(now)]
        await bare.insert(Movement.get_pymongo_collection(), movements, session)
        crossed = [each for each in changed if each.crossed_zero]
        flags = [
            UpdateMany({"_id": {"$in": isbns}}, {"$set": {"available": flag}})
            for flag in (True, False)
            if (isbns := [each.id for each in crossed if (each.available > 0) is flag])
        ]
        if flags:
            await self._books.bulk_write(flags, session=session)


async def _load_actors(
    kind: type[Actor], keys: list[str], loaded: Loaded, session: AsyncClientSession
) -> None:
    for raw in await bare.find(kind.get_pymongo_collection(), {"_id": {"$in": keys}}, session):
        try:
            loaded.actors[kind.kind, raw["_id"]] = kind.loaded(raw)
        except ValidationError as error:
            loaded.unreadable[kind.kind, raw["_id"]] = error


def _titles_in(delivery: Delivery) -> Iterable[str]:
    """The titles that a message itself names."""
    isbn = getattr(delivery.message, "isbn", None)
    return (isbn,) if isbn else (line.isbn for line in getattr(delivery.message, "lines", ()))


async def known_receipts(keys: Iterable[str], session: AsyncClientSession) -> dict[str, ReceiptRow]:
    """The receipts that are there already, by id."""
    found = await bare.find(Receipt.get_pymongo_collection(), {"_id": {"$in": list(keys)}}, session)
    return {raw["_id"]: raw for raw in found}


async def insert_receipts(receipts: list[ReceiptRow], session: AsyncClientSession) -> None:
    """Inserts receipts; one that is there already means that the message was processed before.

    Those of replays replace the failure that they answer, and only that one.
    """
    fresh = [each for each in receipts if each.get("supersedes") is None]
    replays = [each for each in receipts if each.get("supersedes") is not None]
    collection = Receipt.get_pymongo_collection()
    if fresh:
        try:
            await bare.insert(collection, fresh, session)
        except BulkWriteError as error:
            if _is_duplicate(error):
                raise AlreadyReceived from error
            raise
    if replays:
        failed = Outcome.FAILED.value
        writes = [
            ReplaceOne({"_id": each["_id"], "status": failed, "at": each["supersedes"]}, each)
            for each in replays
        ]
        done = await collection.bulk_write(writes, ordered=False, session=session)
        if done.matched_count != len(writes):
            raise AlreadyReceived


async def write_actors(actors: Iterable[Actor], session: AsyncClientSession) -> None:
    """Writes the changed ones, a bulk a collection, each guarded by its revision."""
    by_kind: dict[type[Actor], list[Write]] = {}
    for actor in actors:
        if actor.changed:
            by_kind.setdefault(type(actor), []).append(actor.write())
    for kind, writes in by_kind.items():
        await _guarded(kind.get_pymongo_collection(), writes, session)


async def _guarded(collection: Any, writes: list[Write], session: AsyncClientSession) -> None:
    # Ordered, inserts first: a duplicate key ends the transaction, and whatever else is sent in it then fails with a
    # "conflict" (NoSuchTransaction) that hides the duplicate. Redone for ever, it stopped whole groups.
    inserts = [write.change for write in writes if write.guard is None]
    updates = [write for write in writes if write.guard is not None]
    try:
        if inserts:
            await bare.insert(collection, inserts, session, ordered=True)
        found = await bare.update(collection, updates, session) if updates else 0
    except BulkWriteError as error:
        if _is_duplicate(error):
            raise Fenced(f"{collection.name}: a document was there first") from error
        raise
    if found != len(updates):
        raise Fenced(f"{collection.name}: {len(updates) - found} had moved on")


def _is_duplicate(error: BulkWriteError) -> bool:
    details: Any = error.details or {}
    errors = details.get("writeErrors", [])
    return bool(errors) and all(each.get("code") == DUPLICATE_KEY for each in errors)


async def finish_operations(finished: list[ReceiptRow], session: AsyncClientSession) -> None:
    """Ends the operations whose second step this was: the first step's receipt takes this one's outcome.

    A replayed second step ends it anew: its failure had ended it before, and where it fails again it can be replayed.
    """
    open_, failed = Outcome.PENDING.value, Outcome.FAILED.value
    updates = [
        Write(
            {
                "_id": receipt["operation"],
                "status": {"$in": [open_, failed]} if receipt.get("supersedes") else open_,
            },
            {
                "$set": {"status": receipt["status"], "problem": receipt["problem"], "rev": receipt["rev"]},
                "$unset": {"dropped": ""},
            },
        )
        for receipt in finished
    ]
    if updates:
        await bare.update(Receipt.get_pymongo_collection(), updates, session)


async def insert_rows(rows: list[Row], session: AsyncClientSession) -> None:
    """The messages that follow, to be published after the commit."""
    if rows:
        await bare.insert(OutboxRow.get_pymongo_collection(), rows, session)

"""Stock as the staff reads it: from the database, never from a cache."""

import msgspec

from documents.catalog import Book
from documents.stock import Stock


class StockView(msgspec.Struct, frozen=True):
    """Copies of a title: on hand, promised to orders, and left to sell (on hand less reserved)."""

    isbn: str
    on_hand: int
    reserved: int
    available: int


async def read_stock(isbn: str) -> StockView | None:
    """The copies of a title; zeros where nobody counted them yet, None for a title that is not there."""
    raw = await Stock.get_pymongo_collection().find_one({"_id": isbn})
    if raw is not None:
        return StockView(isbn, raw["on_hand"], raw["reserved"], raw["available"])
    book = await Book.get_pymongo_collection().find_one({"_id": isbn}, {"_id": 1})
    return StockView(isbn, 0, 0, 0) if book else None

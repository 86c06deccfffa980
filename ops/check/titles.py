"""A title's case: its stock, the sums of its ledger, and its entry in the catalogue."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from ops.check.view import Row, Side, View, merged


@dataclass(frozen=True, slots=True)
class Title:
    """What is kept under one ISBN. `ledger` has the summed `on_hand` and `reserved` of its movements."""

    isbn: str
    stock: Row | None = None
    ledger: Row | None = None
    book: Row | None = None


async def titles(view: View) -> AsyncIterator[Title]:
    """All titles by ISBN; the ledger is summed by the database."""
    sums: list[Row] = [
        {
            "$group": {
                "_id": "$isbn",
                "on_hand": {"$sum": "$on_hand"},
                "reserved": {"$sum": "$reserved"},
            }
        },
        {"$sort": {"_id": 1}},
    ]
    streams = merged(
        Side(view.find("stock", {}, ("on_hand", "reserved", "available"), "_id"), "_id"),
        Side(await view.sums("movements", sums), "_id"),
        Side(view.find("books", {}, ("available",), "_id"), "_id"),
    )
    async for isbn, (stock, ledger, books) in streams:
        view.count("titles")
        yield Title(
            isbn,
            stock[0] if stock else None,
            ledger[0] if ledger else None,
            books[0] if books else None,
        )

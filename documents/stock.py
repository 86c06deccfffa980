"""Stock: one document a title, and the ledger of its movements.

    available = on_hand - reserved

Shortage is decided in memory on the stock loaded with a batch; the guarded update and the collection's validator
(`available >= 0`) are the fence behind it. Every change leaves a movement, so that the ledger sums to the count.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from beanie import Document
from pydantic import PrivateAttr
from pymongo import ASCENDING, IndexModel

from documents.actors import Stored, Write
from documents.refusals import StockReserved


class Reason(StrEnum):
    """Why stock moved."""

    COUNTED = "counted"  # staff or an import set the count
    RESERVED = "reserved"  # an order took them
    RELEASED = "released"  # a cancelled order gave them back
    SOLD = "sold"  # they left the house
    RETURNED = "returned"  # a refunded order's copies came back


@dataclass(frozen=True, slots=True)
class Change:
    """One movement not yet written: copies that came (+) or went (-), by cause."""

    reason: Reason
    on_hand: int
    reserved: int
    cause: str
    order_id: str | None


class Stock(Stored):
    """How many copies of a title there are; `id` is its ISBN-13, all counts in copies."""

    id: str  # type: ignore[assignment]
    on_hand: int = 0
    reserved: int = 0
    available: int = 0
    rev: int = 0

    _changes: list[Change] = PrivateAttr(default_factory=list)
    _loaded_available: int = PrivateAttr(default=0)
    _loaded_rev: int = PrivateAttr(default=0)

    class Settings:
        """One document a title."""

        name = "stock"

    @classmethod
    def loaded(cls, raw: dict[str, Any]) -> Self:
        """The stock as it stands in the database."""
        stock: Self = cls.model_validate(raw)
        stock._loaded_available = stock.available
        stock._loaded_rev = stock.rev
        return stock

    def can_reserve(self, copies: int) -> bool:
        """Whether that many copies are left to promise."""
        return copies <= self.available

    def reserve(self, copies: int, cause: str, order_id: str) -> None:
        """Promises copies to an order; ask `can_reserve` first for all of its titles."""
        if not self.can_reserve(copies):
            raise ValueError(
                f"{copies} copies of {self.id} were reserved where {self.available} are available"
            )
        self._move(Change(Reason.RESERVED, 0, copies, cause, order_id))

    def release(self, copies: int, cause: str, order_id: str) -> None:
        """Gives an order's copies back."""
        self._move(Change(Reason.RELEASED, 0, -copies, cause, order_id))

    def sell(self, copies: int, cause: str, order_id: str) -> None:
        """An order's copies leave the house."""
        self._move(Change(Reason.SOLD, -copies, -copies, cause, order_id))

    def count(self, on_hand: int, cause: str) -> None:  # type: ignore[override]  # of copies, not of documents
        """Sets the copies on hand; below those reserved is refused."""
        if on_hand < self.reserved:
            raise StockReserved(self.id, on_hand, self.reserved)
        if on_hand != self.on_hand:
            self._move(Change(Reason.COUNTED, on_hand - self.on_hand, 0, cause, None))

    def _move(self, change: Change) -> None:
        self.on_hand += change.on_hand
        self.reserved += change.reserved
        self.available = self.on_hand - self.reserved
        self.rev += 1
        self._changes.append(change)

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._changes)

    @property
    def crossed_zero(self) -> bool:
        """Whether the title became available or sold out since it was loaded."""
        return (self._loaded_available > 0) != (self.available > 0)

    @property
    def fresh(self) -> bool:
        """Whether the title had no stock document before."""
        return self._loaded_rev == 0

    @property
    def last_cause(self) -> str:
        """The message behind its last change."""
        return self._changes[-1].cause

    def write(self) -> Write:
        """The net change as one guarded update: it matches only where enough is left and nothing is oversold."""
        if self._loaded_rev == 0:
            return Write(
                None,
                {
                    "_id": self.id,
                    "on_hand": self.on_hand,
                    "reserved": self.reserved,
                    "available": self.available,
                    "rev": self.rev,
                },
            )
        on_hand = sum(change.on_hand for change in self._changes)
        reserved = sum(change.reserved for change in self._changes)
        available = on_hand - reserved
        guard: dict[str, Any] = {"_id": self.id, "rev": self._loaded_rev}
        if available < 0:
            guard["available"] = {"$gte": -available}
        if reserved < 0:
            guard["reserved"] = {"$gte": -reserved}
        amounts = {"on_hand": on_hand, "reserved": reserved, "available": available}
        return Write(guard, {"$inc": {**amounts, "rev": len(self._changes)}})

    def movements(self, at: datetime) -> list[dict[str, Any]]:
        """The ledger entries for what changed, oldest first, as MongoDB keeps them."""
        return [
            {
                "isbn": self.id,
                "reason": change.reason.value,
                "on_hand": change.on_hand,
                "reserved": change.reserved,
                "cause": change.cause,
                "order_id": change.order_id,
                "at": at,
            }
            for change in self._changes
        ]


class Movement(Document):
    """One entry of a title's ledger: the signed change of its counts and the message that caused it."""

    isbn: str
    reason: Reason
    on_hand: int
    reserved: int
    cause: str
    order_id: str | None = None
    at: datetime

    class Settings:
        """Read by title and by order."""

        name = "movements"
        indexes = [
            IndexModel([("isbn", ASCENDING)]),
            IndexModel([("order_id", ASCENDING)], partialFilterExpression={"order_id": {"$type": "string"}}),
        ]


STOCK_VALIDATOR: dict[str, Any] = {
    "$jsonSchema": {
        "bsonType": "object",
        "required": ["on_hand", "reserved", "available", "rev"],
        "properties": {
            "on_hand": {"bsonType": ["int", "long"], "minimum": 0},
            "reserved": {"bsonType": ["int", "long"], "minimum": 0},
            "available": {"bsonType": ["int", "long"], "minimum": 0},
        },
    }
}

"""Carts, and the rules of their lines."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, PrivateAttr

from documents.actors import Actor
from documents.refusals import CartEmpty, CartFull, CartMerged, CurrencyMismatch, QuantityTooLarge

LINES_MAX = 500
QUANTITY_MAX = 999


class CartStatus(StrEnum):
    """A merged cart is closed for good, unless the other cart turns out not to take its lines."""

    OPEN = "open"
    MERGED = "merged"


class CartLine(BaseModel):
    """Copies of one title at the price, in minor units, that it had when it was last put in."""

    title: str
    quantity: int
    unit_price: int


class Cart(Actor):
    """What somebody means to buy. `lines` is keyed by ISBN-13, oldest first; its id is the actor's key."""

    kind: ClassVar[str] = "cart"

    status: CartStatus = CartStatus.OPEN
    merged_into: str | None = None
    currency: str | None = None
    lines: dict[str, CartLine] = {}
    updated_at: datetime | None = None

    _dirty: set[str] = PrivateAttr(default_factory=set)

    class Settings:
        """Found by their ids alone: an index would be written to by every addition."""

        name = "carts"

    @property
    def total(self) -> int:
        """The sum of the lines, in minor units of `currency`."""
        return sum(line.quantity * line.unit_price for line in self.lines.values())

    def require_open(self) -> None:
        """Raises `CartMerged` for a closed cart."""
        if self.status is CartStatus.MERGED:
            raise CartMerged(self.id, self.merged_into)

    def require_orderable(self) -> None:
        """Raises `CartMerged` or `CartEmpty` where there is nothing to order."""
        self.require_open()
        if not self.lines:
            raise CartEmpty(self.id)

    def add(self, isbn: str, title: str, unit_price: int, currency: str, quantity: int) -> None:
        """Puts copies in, on top of those that are there; the line takes today's price."""
        self._check_line(isbn, currency)
        line = self.lines.get(isbn)
        self._put(isbn, title, unit_price, currency, quantity + (line.quantity if line else 0))

    def put(self, isbn: str, title: str, unit_price: int, currency: str, quantity: int) -> None:
        """Makes the line hold exactly that many copies, adding it where it is missing."""
        self._check_line(isbn, currency)
        self._put(isbn, title, unit_price, currency, quantity)

    def remove(self, isbn: str) -> None:
        """Takes a line out; an absent one is no change."""
        self.require_open()
        if self.lines.pop(isbn, None) is not None:
            self._forget_currency()
            self._dirty.add(isbn)
            self.touch()

    def clear(self) -> None:
        """Takes every line out; the cart stays open."""
        self.require_open()
        if self.lines:
            self._dirty.update(self.lines)
            self.lines = {}
            self._forget_currency()
            self.touch()

    def absorb(self, lines: dict[str, CartLine], currency: str | None) -> None:
        """Takes another cart's lines in; quantities add up, bounded by what one line takes.

        A merge never fails on a full line: it keeps the larger wish that still fits.
        """
        self.require_open()
        if not lines or currency is None:
            return
        if self.currency not in (None, currency):
            raise CurrencyMismatch(next(iter(lines)), currency, self.currency or currency)
        if len(self.lines.keys() | lines.keys()) > LINES_MAX:
            raise CartFull(self.id, LINES_MAX)
        self.currency = currency
        for isbn, line in lines.items():
            mine = self.lines.get(isbn)
            quantity = min(QUANTITY_MAX, line.quantity + (mine.quantity if mine else 0))
            self.lines[isbn] = line.model_copy(update={"quantity": quantity})
            self._dirty.add(isbn)
        self.touch()

    def close(self, into: str) -> dict[str, CartLine]:
        """Merges the cart away: it is closed, and its lines are handed over."""
        self.require_open()
        lines = self.lines
        self._dirty.update(lines)
        self.lines = {}
        self.status = CartStatus.MERGED
        self.merged_into = into
        self.touch()
        return lines

    def reopen(self, into: str, lines: dict[str, CartLine], currency: str | None) -> None:
        """Takes back the lines that `into` would not have. No change where the cart is not closed for that one."""
        if self.status is not CartStatus.MERGED or self.merged_into != into:
            return
        self.status = CartStatus.OPEN
        self.merged_into = None
        self.lines = dict(lines)
        self.currency = currency if lines else None
        self._dirty.update(lines)
        self.touch()

    def check_out(self) -> dict[str, CartLine]:
        """Hands its lines to an order and is empty after, and open. Raises `CartEmpty`."""
        self.require_orderable()
        lines = self.lines
        self.clear()
        return lines

    def _check_line(self, isbn: str, currency: str) -> None:
        self.require_open()
        if self.currency not in (None, currency):
            raise CurrencyMismatch(isbn, currency, self.currency or currency)
        if isbn not in self.lines and len(self.lines) >= LINES_MAX:
            raise CartFull(self.id, LINES_MAX)

    def _put(self, isbn: str, title: str, unit_price: int, currency: str, quantity: int) -> None:
        if quantity > QUANTITY_MAX:
            raise QuantityTooLarge(isbn, quantity, QUANTITY_MAX)
        self.currency = currency
        self.lines[isbn] = CartLine(title=title, quantity=quantity, unit_price=unit_price)
        self._dirty.add(isbn)
        self.touch()

    def _forget_currency(self) -> None:
        if not self.lines:
            self.currency = None

    def delta(self) -> dict[str, Any]:
        """Only the lines that changed, so that a command costs the same on a long cart as on a short one."""
        changes: dict[str, Any] = {
            "rev": self.rev,
            "status": self.status.value,
            "merged_into": self.merged_into,
            "currency": self.currency,
            "updated_at": self.updated_at,
        }
        gone: dict[str, str] = {}
        for isbn in self._dirty:
            line = self.lines.get(isbn)
            if line is None:
                gone[f"lines.{isbn}"] = ""
            else:
                changes[f"lines.{isbn}"] = line.model_dump()
        return {"$set": changes, "$unset": gone} if gone else {"$set": changes}

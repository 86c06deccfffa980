"""Carts, and desks to work on them at."""

from collections.abc import Iterable
from typing import Any

from broker.groups import Desk, Offer
from broker.messages import Sender
from documents.accounts import cart_of
from documents.carts import Cart
from documents.stock import Stock
from documents.terms import Terms
from tests.handlers.desks import NOW, envelope_of

ONE, TWO = "9786600000004", "9786600000011"
OWNER = Sender("user:1")
CART = cart_of("1")


def offer(isbn: str, price: int, currency: str = "EUR") -> Offer:
    """A title that is for sale."""
    return Offer(isbn, f"Title {isbn[-2:]}", price, currency)


def desk_for(
    message: Any, sender: Sender = OWNER, offers: Iterable[Offer] = (), stock: dict[str, int] | None = None
) -> Desk:
    """A desk with these titles on it."""
    counted = {
        isbn: Stock.loaded({"_id": isbn, "on_hand": n, "reserved": 0, "available": n, "rev": 1})
        for isbn, n in (stock or {}).items()
    }
    return Desk(
        envelope_of(message, "m1", sender), NOW, Terms(), {each.isbn: each for each in offers}, counted
    )


def cart_with(*lines: tuple[str, int, int]) -> Cart:
    """The owner's cart with (isbn, quantity, price then)."""
    cart = Cart(id=CART)
    for isbn, quantity, price in lines:
        cart.add(isbn, "T", price, "EUR", quantity)
    return cart

"""Handlers of the catalogue, as plain functions."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from broker.groups import Desk
from broker.messages import (
    SYSTEM,
    BookChanged,
    Contributor,
    Envelope,
    PutBook,
    Sender,
    SetStock,
    Subject,
    pack,
)
from broker.messages.catalog import BookCommand
from documents.catalog import Book
from documents.refusals import BookUnknown, NotPermitted, StockReserved
from documents.stock import Stock
from documents.terms import Terms
from handlers.catalog import CATALOG, fresh, put_book, set_stock, titles

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ISBN = "9780439023481"
STAFF = Sender("user:1", ("staff",))


def desk(command: BookCommand, stock: Stock | None = None, sender: Sender = STAFF) -> Desk:
    """What lies before the handler of this command."""
    envelope = Envelope(
        id="m1", type=type(command).__name__, version=1, key=command.key, sender=sender, accepted_at=NOW,
        correlation_id="c", data=pack(command),
    )  # fmt: skip
    return Desk(envelope=envelope, now=NOW, terms=Terms(), stock={ISBN: stock or made_stock()})


def made_stock(**counts: int) -> Stock:
    """A stock as it stands in the database; a fresh one without counts."""
    if not counts:
        fresh_stock: Stock = Stock.model_construct(id=ISBN)
        return fresh_stock
    available = counts["on_hand"] - counts.get("reserved", 0)
    stock: Stock = Stock.loaded({"id": ISBN, "rev": 1, **counts, "available": available})
    return stock


def put(**changes: Any) -> PutBook:
    """A record of the title."""
    given: dict[str, Any] = {"isbn": ISBN, "title": "Persuasion", "price": 999, "currency": "EUR", **changes}
    return PutBook(**given)


def known() -> Book:
    """The title as it stands in the database."""
    book = fresh(ISBN)
    put_book(book, put(), desk(put()))
    return Book.loaded(book.stored())


def test_added() -> None:
    """A new title is added: nobody cached it, so nobody is told."""
    command = put(contributors=(Contributor("Jane Austen"),), subjects=(Subject("Classics", "FBC"),), stock=3)
    book, stock = fresh(ISBN), made_stock()
    effects = put_book(book, command, desk(command, stock))
    assert (effects.resource, effects.result, effects.messages) == (f"books/{ISBN}", {"change": "added"}, ())
    assert (book.rev, book.title, book.contributors[0].name, book.subjects[0].code) == (
        1,
        "Persuasion",
        "Jane Austen",
        "FBC",
    )
    assert book.price is not None
    assert (book.price.amount, book.price.currency) == (999, "EUR")
    assert (stock.on_hand, [move["cause"] for move in stock.movements(NOW)]) == (3, ["m1"])


def test_changed() -> None:
    """A title that changes is told of, so that caches drop it; one that does not is not."""
    book = known()
    effects = put_book(book, put(title="Emma"), desk(put()))
    assert (effects.result, effects.messages) == ({"change": "changed"}, (BookChanged(isbn=ISBN),))
    effects = put_book(known(), put(), desk(put()))
    assert (effects.result, effects.messages) == ({"change": "unchanged"}, ())


@pytest.mark.parametrize("counts", [{"on_hand": 1}, {"on_hand": 0}, {"on_hand": 5, "reserved": 5}])
def test_stock_counted_once(counts: dict[str, int]) -> None:
    """Copies are counted where nobody counted them before: an import after sales brings none back."""
    stock = made_stock(**counts)
    put_book(known(), put(stock=20), desk(put(), stock))
    assert (stock.on_hand, stock.changed) == (counts["on_hand"], False)


def test_stock_counted_once_in_a_batch() -> None:
    """Two puts of one batch count the copies once."""
    stock, book = made_stock(), fresh(ISBN)
    put_book(book, put(stock=20), desk(put(), stock))
    put_book(book, put(stock=7), desk(put(), stock))
    assert (stock.on_hand, len(stock.movements(NOW))) == (20, 1)


def test_popularity_kept() -> None:
    """A record that says nothing of ratings leaves them as they are."""
    book = fresh(ISBN)
    put_book(book, put(ratings_count=7), desk(put()))
    assert put_book(book, put(), desk(put())).result == {"change": "unchanged"}
    assert book.ratings_count == 7


def test_set_stock() -> None:
    """The count becomes exactly what was said, and the answer says what is left."""
    command, stock = SetStock(isbn=ISBN, on_hand=9), made_stock(on_hand=4, reserved=2)
    effects = set_stock(known(), command, desk(command, stock))
    assert effects.resource == f"stock/{ISBN}"
    assert effects.result == {"isbn": ISBN, "on_hand": 9, "reserved": 2, "available": 7}


def test_set_stock_refused() -> None:
    """Below what is reserved, and for a title that is not there, the count is refused and nothing changes."""
    command, stock = SetStock(isbn=ISBN, on_hand=1), made_stock(on_hand=4, reserved=2)
    with pytest.raises(StockReserved):
        set_stock(known(), command, desk(command, stock))
    with pytest.raises(BookUnknown):
        set_stock(fresh(ISBN), command, desk(command, stock))
    assert not stock.changed


@pytest.mark.parametrize("sender", [Sender("user:2"), Sender("guest:g1"), Sender("user:3", ("shopper",))])
def test_rights(sender: Sender) -> None:
    """Nobody but the staff and our own processes changes the catalogue, checked again by the worker."""
    book, stock = fresh(ISBN), made_stock()
    with pytest.raises(NotPermitted):
        put_book(book, put(stock=1), desk(put(), stock, sender))
    count = SetStock(isbn=ISBN, on_hand=1)
    with pytest.raises(NotPermitted):
        set_stock(known(), count, desk(count, stock, sender))
    assert (book.rev, stock.changed) == (0, False)
    assert put_book(book, put(), desk(put(), stock, SYSTEM)).result == {"change": "added"}


def test_titles() -> None:
    """Stock is loaded for those commands that may count it."""
    assert titles(None, put(stock=0)) == (ISBN,)
    assert titles(None, put()) == ()
    assert titles(None, SetStock(isbn=ISBN, on_hand=1)) == (ISBN,)
    assert CATALOG.stock_for == CATALOG.handlers.keys()


@pytest.mark.parametrize("raw", [{"on_hand": -1}, {"on_hand": 1.5}, {"on_hand": 2**40}, {}])
def test_nonsense_on_the_queue(raw: dict[str, Any]) -> None:
    """A count that cannot be is not decoded, so it reaches no handler."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode({"isbn": ISBN, **raw}), type=SetStock)

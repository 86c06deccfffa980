"""What titles do: take a new record, and have their copies counted."""

from typing import Any

from broker.groups import Desk, Effects, OrderedGroup
from broker.messages import BookChanged, PutBook, SetStock
from documents.catalog import Book, BookDetails, Change, Contributor, Subject
from documents.money import Money
from documents.refusals import BookUnknown, NotPermitted


def put_book(book: Book, command: PutBook, desk: Desk) -> Effects:
    """Makes the record say what the command says; the copies are counted only where nobody counted them before.

    So a feed that is imported again changes nothing, also after copies were sold.
    """
    _require_staff(book, desk)
    change = book.put(details_of(command, book), desk.now)
    if command.stock is not None and desk.stock[book.id].rev == 0:
        desk.stock[book.id].count(command.stock, cause=desk.envelope.id)
    return Effects(
        resource=f"books/{book.id}",
        result={"change": change.value},
        messages=(BookChanged(isbn=book.id),) if change is Change.CHANGED else (),
    )


def set_stock(book: Book, command: SetStock, desk: Desk) -> Effects:
    """Sets the copies on hand of a title that is in the catalogue."""
    _require_staff(book, desk)
    if not book.rev:
        raise BookUnknown(book.id)
    stock = desk.stock[book.id]
    stock.count(command.on_hand, cause=desk.envelope.id)
    return Effects(
        resource=f"stock/{book.id}",
        result={
            "isbn": book.id,
            "on_hand": stock.on_hand,
            "reserved": stock.reserved,
            "available": stock.available,
        },
    )


def details_of(command: PutBook, book: Book) -> BookDetails:
    """The record that a command carries; what it leaves to the catalogue stays as the book has it."""
    priced = command.price is not None and command.currency is not None
    return BookDetails(
        title=command.title,
        subtitle=command.subtitle,
        contributors=[Contributor(name=each.name, role=each.role) for each in command.contributors],
        year=command.year,
        subjects=[Subject(name=each.name, code=each.code) for each in command.subjects],
        language=command.language,
        format=command.format,
        pages=command.pages,
        publisher=command.publisher,
        description=command.description,
        price=Money(amount=command.price, currency=command.currency) if priced else None,  # type: ignore[arg-type]
        for_sale=command.for_sale,
        ratings_count=book.ratings_count if command.ratings_count is None else command.ratings_count,
    )


def _require_staff(book: Book, desk: Desk) -> None:
    if not (desk.sender.is_staff or desk.sender.is_system):
        raise NotPermitted(desk.sender.id, book.kind, book.id)


def fresh(isbn: str) -> Book:
    """A title that nothing is known of yet: it is written once a record is put."""
    return Book(id=isbn)


def titles(actor: Any, message: Any) -> tuple[str, ...]:  # noqa: ARG001 - the signature of every group
    """The title itself, where its copies are to be counted."""
    return () if isinstance(message, PutBook) and message.stock is None else (message.isbn,)


CATALOG = OrderedGroup(
    name="catalog",
    actor=Book,
    handlers={PutBook: put_book, SetStock: set_stock},
    fresh=fresh,
    titles=titles,
    stock_for=frozenset({PutBook, SetStock}),
)

"""Titles for the tests of the catalogue, straight into the database; and the real ones, where they are."""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from app.feeds import Defaults, Row, Skipped, parse
from broker.connection import Endpoint
from broker.messages import Contributor, PutBook, Subject
from broker.runtime import Runtime
from documents.actors import utc_now
from documents.catalog import Book, isbn13
from documents.terms import Terms
from handlers.catalog import CATALOG, details_of

ROOT = Path(__file__).parents[2]
EUR = Defaults(currency="EUR")


def isbn(number: int) -> str:
    """The n-th ISBN-13 of a made-up publisher, check digit and all."""
    body = f"978000{number:06d}"
    check = -sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body)) % 10
    return isbn13(f"{body}{check}")


def book(number: int, title: str, *authors: str, **fields: Any) -> PutBook:
    """A command that says this of the n-th title; 10.00 EUR unless told otherwise."""
    subjects = fields.pop("subjects", ())
    return PutBook(
        isbn=isbn(number),
        title=title,
        contributors=tuple(Contributor(name) for name in authors),
        subjects=tuple(Subject(name, code) for code, name in subjects),
        price=fields.pop("price", 1000),
        currency="EUR",
        **fields,
    )


async def shelve(*commands: PutBook, available: Iterable[str] = ()) -> None:
    """Writes titles as the group's worker would, those of `available` with copies."""
    there = set(available)
    documents = []
    for command in commands:
        made = Book(id=command.isbn)
        made.put(details_of(command, made), utc_now())
        documents.append(made.stored() | {"available": command.isbn in there})
    await Book.get_pymongo_collection().insert_many(documents, ordered=False)


@cache
def goodbooks_path() -> Path:
    """The 10,000 real books. Skips where they are not; fails where CI is set."""
    folder = Path(os.environ.get("QUIRE_TEST_DATA") or ROOT.parent / "shared" / "data")
    path = folder / "goodbooks-10k" / "books.csv"
    if not path.is_file():
        reason = f"{path} is not there: set QUIRE_TEST_DATA to the folder that holds goodbooks-10k"
        if os.environ.get("CI"):
            pytest.fail(f"CI is set, so nothing may be skipped: {reason}", pytrace=False)
        pytest.skip(reason)
    return path


@cache
def goodbooks() -> tuple[Row | Skipped, ...]:
    """Every row of them."""
    with goodbooks_path().open("rb") as stream:
        return tuple(parse(stream, "csv", Defaults(currency="EUR", price=1299, stock=20)))


@asynccontextmanager
async def working(endpoint: Endpoint, database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[None]:
    """A worker of the group catalog."""
    runtime = Runtime(endpoint, database, [CATALOG], Terms())
    await runtime.start()
    try:
        yield
    finally:
        await runtime.stop()

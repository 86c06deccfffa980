"""The books themselves, one JSON object a line, read from the package's own data."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec

Role = Literal["author", "translator", "illustrator"]
Format = Literal["paperback", "hardback", "ebook"]


class Contributor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Someone who made the book; the name is the one an English-language catalogue files it under."""

    name: str
    role: Role


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Thema subject category: its code and its English heading."""

    code: str
    name: str


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount in minor units (cents) of an ISO 4217 currency."""

    amount: int
    currency: str


class DemoBook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of the catalogue.

    `year` is that of the work's first publication, not of the edition: negative before the common era,
    and a scholarly estimate for what was written before printing. `language` is that of the text sold,
    an ISO 639-2/B code as in ONIX code list 74. `pages` is None for an ebook.
    """

    isbn: str
    title: str
    subtitle: str | None = None
    contributors: tuple[Contributor, ...]
    year: int
    subjects: tuple[Subject, ...]
    language: str
    format: Format
    pages: int | None = None
    publisher: str
    price: Money
    stock: int
    description: str

    @property
    def author(self) -> str:
        """The authors' names as a cover shows them, joined with " & "."""
        return " & ".join(c.name for c in self.contributors if c.role == "author")


def books_jsonl() -> Traversable:
    """The data file, for whoever imports it as a file (`quire import FILE --format jsonl`)."""
    return files("ops.demo_catalogue").joinpath("books.jsonl")


def demo_books() -> Iterator[DemoBook]:
    """Every book of the demo catalogue, in the file's order (by language, then title).

    Raises msgspec.ValidationError, naming the line, if the file does not fit the format.
    """
    decoder = msgspec.json.Decoder(DemoBook)
    with books_jsonl().open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield decoder.decode(line)
            except msgspec.ValidationError as error:
                raise msgspec.ValidationError(f"books.jsonl line {number}: {error}") from error

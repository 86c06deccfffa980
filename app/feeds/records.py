"""A title's record as it comes from outside, and the command that it becomes."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from app.feeds.amounts import AMOUNT_MAX
from broker.messages import Contributor, PutBook, Subject
from documents.catalog import language_code

Line = Annotated[str, msgspec.Meta(max_length=1000)]
COUNT_MAX = 2**31 - 1
YEAR_MIN, YEAR_MAX = -3000, 3000


class ContributorRecord(msgspec.Struct, frozen=True):
    """Somebody who made the book; `role` such as author, translator, illustrator."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    role: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] = "author"


class SubjectRecord(msgspec.Struct, frozen=True):
    """A Thema code, which may be empty, and the subject's name."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    code: Annotated[str, msgspec.Meta(max_length=20)] = ""


class PriceRecord(msgspec.Struct, frozen=True):
    """Minor units of an ISO 4217 currency."""

    amount: Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_MAX)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]


class BookRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is said of a title, without its ISBN."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    subtitle: Line | None = None
    contributors: Annotated[tuple[ContributorRecord, ...], msgspec.Meta(max_length=200)] = ()
    year: Annotated[int, msgspec.Meta(ge=YEAR_MIN, le=YEAR_MAX)] | None = None
    subjects: Annotated[tuple[SubjectRecord, ...], msgspec.Meta(max_length=100)] = ()
    language: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    format: Annotated[str, msgspec.Meta(max_length=60)] | None = None
    pages: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)] | None = None
    publisher: Line | None = None
    description: Annotated[str, msgspec.Meta(max_length=50_000)] | None = None
    price: PriceRecord | None = None
    for_sale: bool = True
    ratings_count: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)] | None = None
    stock: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)] | None = None


class FeedRecord(BookRecord, frozen=True, kw_only=True):
    """A record in a feed, where the ISBN is one of the fields."""

    isbn: str


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a row that does not say takes: `price` in minor units of `currency`, `stock` in copies."""

    currency: str
    price: int | None = None
    stock: int | None = None


class BadRow(ValueError):
    """A row cannot be taken; the text is the reason."""


def to_command(isbn: str, record: BookRecord, defaults: Defaults) -> PutBook:
    """The command that makes the catalogue say this. Raises `BadRow` or `UnknownLanguage`."""
    title = _line(record.title)
    if not title:
        raise BadRow("title: it is empty")
    price, currency = (record.price.amount, record.price.currency) if record.price else (None, None)
    if price is None and defaults.price is not None:
        price, currency = defaults.price, defaults.currency
    return PutBook(
        isbn=isbn,
        title=title,
        subtitle=_line(record.subtitle) or None,
        contributors=tuple(
            dict.fromkeys(
                Contributor(_line(each.name), each.role.strip().lower()) for each in record.contributors
            )
        ),
        year=record.year,
        subjects=tuple(
            dict.fromkeys(Subject(_line(each.name), each.code.strip()) for each in record.subjects)
        ),
        language=language_code(record.language) if record.language and record.language.strip() else None,
        format=_line(record.format).lower() or None,
        pages=record.pages,
        publisher=_line(record.publisher) or None,
        description=(record.description or "").strip() or None,
        price=price,
        currency=currency,
        for_sale=record.for_sale,
        ratings_count=record.ratings_count,
        stock=record.stock if record.stock is not None else defaults.stock,
    )


def _line(text: str | None) -> str:
    """On one line, with single spaces: feeds pad and break their names."""
    return " ".join((text or "").split())

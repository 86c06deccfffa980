"""A book as clients see it."""

from typing import Any

import msgspec

from app.reads.money import Money

HIDDEN = {"search": 0, "rev": 0, "ratings_count": 0, "created_at": 0, "updated_at": 0}
"""What a query need not fetch to show a book."""


class ContributorView(msgspec.Struct, frozen=True):
    """Somebody who made the book; `role` such as author, translator, illustrator."""

    name: str
    role: str


class SubjectView(msgspec.Struct, frozen=True):
    """A Thema code (empty where a feed had none) and the subject's name."""

    code: str
    name: str


class BookView(msgspec.Struct, frozen=True, kw_only=True):
    """A title. `available`: copies are left and it is sold; `for_sale`: it is sold, whether copies are left or not."""

    isbn: str
    title: str
    subtitle: str | None
    contributors: list[ContributorView]
    year: int | None
    subjects: list[SubjectView]
    language: str | None
    format: str | None
    pages: int | None
    publisher: str | None
    description: str | None
    price: Money | None
    for_sale: bool
    available: bool
    cover_url: str


class FacetValue(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value to filter by, how many titles it leaves, and the name of a coded one."""

    value: str | bool
    count: int
    name: str | None = None


class Facets(msgspec.Struct, frozen=True):
    """The values of each filter, most frequent first. A filter in force does not narrow its own values."""

    subject: list[FacetValue]
    author: list[FacetValue]
    language: list[FacetValue]
    format: list[FacetValue]
    available: list[FacetValue]


class Summary(msgspec.Struct, frozen=True):
    """What is said of a whole list rather than of one page of it."""

    total: int
    facets: Facets


class BookList(msgspec.Struct, frozen=True):
    """A page of titles. `total` counts all of the list exactly; `next_cursor` is null on the last page."""

    items: list[BookView]
    next_cursor: str | None
    total: int
    facets: Facets


class Suggestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the reader may mean: a `title` (with its ISBN and first author) or an `author`."""

    type: str
    text: str
    isbn: str | None = None
    author: str | None = None


class SubjectCount(msgspec.Struct, frozen=True):
    """A subject and how many titles it has; filter a list by `value`."""

    value: str
    code: str
    name: str
    count: int


class Suggestions(msgspec.Struct, frozen=True):
    """Titles first, then authors; the likeliest first."""

    items: list[Suggestion]


class Subjects(msgspec.Struct, frozen=True):
    """Every subject of the catalogue, most titles first."""

    items: list[SubjectCount]


def book_view(raw: dict[str, Any]) -> BookView:
    """A book as the database has it, as clients see it."""
    price = raw.get("price")
    for_sale = bool(raw.get("for_sale"))
    return BookView(
        isbn=raw["_id"],
        title=raw["title"],
        subtitle=raw.get("subtitle"),
        contributors=[ContributorView(each["name"], each["role"]) for each in raw.get("contributors", [])],
        year=raw.get("year"),
        subjects=[SubjectView(each["code"], each["name"]) for each in raw.get("subjects", [])],
        language=raw.get("language"),
        format=raw.get("format"),
        pages=raw.get("pages"),
        publisher=raw.get("publisher"),
        description=raw.get("description"),
        price=Money(price["amount"], price["currency"]) if price else None,
        for_sale=for_sale,
        available=for_sale and bool(raw.get("available")),
        cover_url=f"/v1/books/{raw['_id']}/cover.svg",
    )

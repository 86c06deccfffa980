"""A title of the catalogue, and what a search finds it by."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from documents.actors import Actor
from documents.catalog.words import fold, index_words, name_key
from documents.money import Money

# Stand-ins that put titles without a price or a year last in both directions: a keyset page needs a value to
# compare with, and null sorts first in one of them.
LAST_ASCENDING = 2**53
LAST_DESCENDING = -(2**53)
SORT_TITLE_LENGTH_MAX = 120  # characters; equal beginnings are told apart by the ISBN
AUTHOR = "author"


class Change(StrEnum):
    """What a put did to the record."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class Contributor(BaseModel):
    """Somebody who made the book; `role` such as author, translator, illustrator."""

    model_config = ConfigDict(frozen=True)

    name: str
    role: str = AUTHOR


class Subject(BaseModel):
    """What the book is about: a Thema code and its name; without Thema the code is empty."""

    model_config = ConfigDict(frozen=True)

    name: str
    code: str = ""

    @property
    def value(self) -> str:
        """What a list is filtered by: the code where there is one, else the name."""
        return self.code or self.name


class BookDetails(BaseModel):
    """What a feed or the staff says of a title; `price` in minor units, `year` negative before the common era."""

    title: str = ""
    subtitle: str | None = None
    contributors: list[Contributor] = []
    year: int | None = None
    subjects: list[Subject] = []
    language: str | None = None  # ISO 639-2/B
    format: str | None = None
    pages: int | None = None
    publisher: str | None = None
    description: str | None = None
    price: Money | None = None
    for_sale: bool = True
    ratings_count: int = 0


class SearchKeys(BaseModel):
    """What a title is found and sorted by, derived from its details in one place."""

    model_config = ConfigDict(frozen=True)

    title: str = ""  # folded
    words: list[str] = []  # of title, subtitle, contributors, subjects and publisher
    authors: list[str] = []  # one key for each contributor whose role is author, in their order
    subjects: list[str] = []  # codes and names, folded
    price_up: int = LAST_ASCENDING
    price_down: int = LAST_DESCENDING
    year_up: int = LAST_ASCENDING
    year_down: int = LAST_DESCENDING

    @classmethod
    def of(cls, details: BookDetails) -> "SearchKeys":
        """The keys of a title."""
        names = [contributor.name for contributor in details.contributors]
        subjects = [subject.name for subject in details.subjects]
        codes = [subject.code for subject in details.subjects if subject.code]
        amount = details.price.amount if details.price else None
        return cls.model_construct(
            title=fold(details.title)[:SORT_TITLE_LENGTH_MAX],
            words=index_words(details.title, details.subtitle, *names, *subjects, details.publisher),
            authors=[name_key(each.name) for each in details.contributors if each.role == AUTHOR],
            subjects=list(dict.fromkeys(fold(text) for text in (*codes, *subjects))),
            price_up=LAST_ASCENDING if amount is None else amount,
            price_down=LAST_DESCENDING if amount is None else amount,
            year_up=LAST_ASCENDING if details.year is None else details.year,
            year_down=LAST_DESCENDING if details.year is None else details.year,
        )


def _sorted_by(*fields: tuple[str, int]) -> IndexModel:
    # The ISBN breaks ties, in the direction of the first field, so that one index reads both ways.
    return IndexModel([*fields, ("_id", fields[0][1])])


class Book(BookDetails, Actor):
    """A title; `id` is its ISBN-13 without hyphens.

    `available` says whether copies are left. It follows the title's stock and is written where that crosses zero,
    never by a change of the record.
    """

    kind: ClassVar[str] = "book"

    available: bool = False
    search: SearchKeys = Field(default_factory=SearchKeys)
    created_at: datetime | None = None
    updated_at: datetime | None = None

    class Settings:
        """Lists by what they filter and sort by; see docs/decisions/0006 for what was measured."""

        name = "books"
        indexes = [
            IndexModel([("search.words", ASCENDING)]),
            IndexModel([("search.subjects", ASCENDING)]),
            IndexModel([("search.authors", ASCENDING)]),
            IndexModel([("language", ASCENDING), ("format", ASCENDING)]),
            _sorted_by(("ratings_count", DESCENDING)),
            _sorted_by(("search.title", ASCENDING)),
            _sorted_by(("search.price_up", ASCENDING)),
            _sorted_by(("search.price_down", DESCENDING)),
            _sorted_by(("search.year_up", ASCENDING)),
            _sorted_by(("search.year_down", DESCENDING)),
            _sorted_by(("created_at", DESCENDING)),
        ]

    def put(self, details: BookDetails, now: datetime) -> Change:
        """Makes the record say exactly this; saying the same again is no change.

        The keys of the search are derived again, so that a put after a release that derives them otherwise mends them.
        """
        said = {**details.__dict__, "for_sale": details.for_sale and details.price is not None}
        said["search"] = SearchKeys.of(details)
        # Straight to the values: Beanie's attribute access costs more than everything else that is done here.
        mine = self.__dict__
        if self.rev and all(mine[name] == value for name, value in said.items()):
            return Change.UNCHANGED
        change = Change.CHANGED if self.rev else Change.ADDED
        mine.update(said)
        self.created_at = self.created_at or now
        self.updated_at = now
        self.touch()
        return change

    def delta(self) -> dict[str, Any]:
        """Everything but `available`, which belongs to the stock: a put must not undo a sale that ran beside it."""
        raw = self.stored()
        for name in ("_id", "available"):
            del raw[name]
        return {"$set": raw}

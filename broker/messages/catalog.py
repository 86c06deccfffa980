"""Commands to the catalogue. The key is the book's ISBN-13; prices are minor units."""

from typing import Annotated, ClassVar

import msgspec

from broker.messages.base import Command, Event

Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
MinorUnits = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class BookCommand(Command, frozen=True, kw_only=True):
    """A command to one title."""

    group: ClassVar[str] = "catalog"

    isbn: str

    @property
    def key(self) -> str:
        """The title."""
        return self.isbn


class Contributor(msgspec.Struct, frozen=True):
    """Somebody who made the book; `role` such as author, translator, illustrator."""

    name: str
    role: str = "author"


class Subject(msgspec.Struct, frozen=True):
    """What it is about: a Thema code and its name; feeds without Thema have an empty code."""

    name: str
    code: str = ""


class PutBook(BookCommand, frozen=True, kw_only=True):
    """Make the title's record say exactly this.

    `price` (minor units) and `currency` come together; `stock` counts the copies of a title that was never counted.
    """

    title: str
    subtitle: str | None = None
    contributors: tuple[Contributor, ...] = ()
    year: int | None = None
    subjects: tuple[Subject, ...] = ()
    language: str | None = None  # ISO 639-2/B
    format: str | None = None
    pages: Count | None = None
    publisher: str | None = None
    description: str | None = None
    price: MinorUnits | None = None
    currency: str | None = None
    for_sale: bool = True
    ratings_count: Count | None = None  # None: as it is
    stock: Count | None = None


class SetStock(BookCommand, frozen=True, kw_only=True):
    """Make the copies on hand exactly this many."""

    on_hand: Count


class BookChanged(Event, frozen=True, kw_only=True):
    """A hint to drop what was cached of the title. Where no cache listens nothing is lost, so it is not mandatory."""

    mandatory: ClassVar[bool] = False

    isbn: str

    @property
    def key(self) -> str:
        """The title."""
        return self.isbn

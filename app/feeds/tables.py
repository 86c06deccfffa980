"""CSV feeds: a header row names the columns, in any order; columns that are not listed here are left alone."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from app.feeds.amounts import currency_code, minor_units
from app.feeds.lines import FeedError
from app.feeds.records import BadRow, BookRecord, ContributorRecord, Defaults, PriceRecord, SubjectRecord
from app.feeds.recovery import recover

# Names that other people's exports use for our columns (Goodbooks-10k among them).
ALIASES = {
    "isbn10": "isbn",
    "language_code": "language",
    "original_publication_year": "year",
    "publication_year": "year",
    "subject": "subjects",
    "quantity": "stock",
}
_COLUMNS = """
isbn isbn13 title subtitle author authors year subjects language format pages publisher description price currency
for_sale ratings_count stock
"""
COLUMNS = frozenset(_COLUMNS.split())
DELIMITERS = ",;\t"
TRUE, FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


@dataclass(frozen=True, slots=True)
class RawRow:
    """A record of the table: the line that it begins on, and its fields by column."""

    line: int
    fields: dict[str, str]
    text: str
    problem: str | None = None


def raw_rows(lines: Iterator[str]) -> Iterator[RawRow]:
    """The records below the header. Raises `FeedError` for a file without one, and where the quoting breaks."""
    first = next(lines, "")
    if not first.strip():
        raise FeedError(
            1, "there is no header row: the first line names the columns, isbn and title at least"
        )
    delimiter = max(DELIMITERS, key=first.count)
    header = _header(first, delimiter)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 2
    try:
        for values in reader:
            yield _raw_row(line, header, values, delimiter)
            line = reader.line_num + 2
    except csv.Error as error:
        raise FeedError(line, f"the record that begins here cannot be read: {error}") from error


def _header(first: str, delimiter: str) -> list[str]:
    try:
        names = next(csv.reader([first], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise FeedError(1, f"the header row cannot be read: {error}") from error
    header = [name.strip().lower().replace(" ", "_") for name in names]
    header = [ALIASES.get(name, name) for name in header]
    if "title" not in header or not {"isbn", "isbn13"} & set(header):
        found = ", ".join(header)[:120]
        raise FeedError(
            1, f"the header row must name the columns isbn (or isbn13) and title; it says: {found}"
        )
    twice = {name for name in header if name in COLUMNS and header.count(name) > 1}
    if twice:
        raise FeedError(1, f"the header row names a column twice: {', '.join(sorted(twice))}")
    return header


def _raw_row(line: int, header: list[str], values: list[str], delimiter: str) -> RawRow:
    text = delimiter.join(values)
    if not any(value.strip() for value in values):
        return RawRow(line, {}, text, "the row is empty")
    if len(values) != len(header):
        return RawRow(line, {}, text, f"it has {len(values)} fields, the header has {len(header)}")
    fields = {name: value.strip() for name, value in zip(header, values, strict=True) if name in COLUMNS}
    return RawRow(line, fields, text)


def to_record(fields: dict[str, str], defaults: Defaults) -> tuple[str, BookRecord]:
    """ISBN-13 and record of a row. Raises `BadRow`, `BadAmount` or `InvalidISBN`."""
    isbn = recover(fields.get("isbn", ""), fields.get("isbn13", ""))
    price = fields.get("price")
    currency = currency_code(fields["currency"]) if fields.get("currency") else defaults.currency
    raw = {
        "title": fields.get("title", ""),
        "subtitle": fields.get("subtitle"),
        "contributors": _contributors(fields),
        "year": _whole(fields, "year"),
        "subjects": tuple(SubjectRecord(name) for name in _split(fields.get("subjects", ""), ";")),
        "language": fields.get("language") or None,
        "format": fields.get("format"),
        "pages": _whole(fields, "pages"),
        "publisher": fields.get("publisher"),
        "description": fields.get("description"),
        "price": PriceRecord(minor_units(price, currency), currency) if price else None,
        "for_sale": _flag(fields, "for_sale"),
        "ratings_count": _whole(fields, "ratings_count"),
        "stock": _whole(fields, "stock"),
    }
    try:
        return isbn, msgspec.convert(raw, BookRecord)
    except msgspec.ValidationError as error:
        raise BadRow(str(error)) from error


def _contributors(fields: dict[str, str]) -> tuple[ContributorRecord, ...]:
    """`author` is taken whole between semicolons; `authors` may use commas where it has no semicolon."""
    names = _split(fields.get("author", ""), ";")
    several = fields.get("authors", "")
    names += _split(several, ";" if ";" in several else ",")
    return tuple(ContributorRecord(name) for name in names)


def _split(text: str, by: str) -> list[str]:
    return [part.strip() for part in text.split(by) if part.strip()]


def _whole(fields: dict[str, str], column: str) -> int | None:
    """A whole number, also as the float that a spreadsheet made of it: "2008.0"."""
    text = fields.get(column, "")
    if not text:
        return None
    try:
        number = int(text.removesuffix(".0"))
    except ValueError as error:
        raise BadRow(f"{column}: {text[:40]!r} is no whole number") from error
    if number < 0 and column != "year":
        raise BadRow(f"{column}: {number} is negative")
    return number


def _flag(fields: dict[str, str], column: str) -> bool:
    text = fields.get(column, "").lower()
    if not text or text in TRUE:
        return True
    if text in FALSE:
        return False
    raise BadRow(f"{column}: {text[:40]!r} is neither true nor false")

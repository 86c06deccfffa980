"""Feeds: files of titles as shops, libraries and spreadsheets write them, read row by row.

    rows = parse(stream, "csv", Defaults(currency="EUR", price=1299, stock=20))

Pure: bytes in, commands and named complaints out. Every row gives exactly one of the two, in the file's order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO

import msgspec

from app.feeds.amounts import BadAmount, currency_code, minor_units
from app.feeds.lines import FeedError, text_lines
from app.feeds.records import BadRow, BookRecord, Defaults, FeedRecord, to_command
from app.feeds.tables import raw_rows, to_record
from broker.messages import PutBook
from documents.catalog import TEXT_LENGTH_MAX, InvalidISBN, UnknownLanguage, isbn13


@dataclass(frozen=True, slots=True)
class Row:
    """A row that became a command."""

    line: int
    command: PutBook


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that was not taken: its line in the file, why, and how it begins."""

    line: int
    reason: str
    text: str


def parse(stream: BinaryIO, format: str, defaults: Defaults) -> Iterator[Row | Skipped]:  # noqa: A002
    """Every row of a feed as a command, or as a complaint that names line and reason.

    Args:
        stream: the file, open for reading bytes. It is read as the iterator is, never as a whole.
        format: one of `FORMATS`.
        defaults: price and stock of the rows that name none.

    Raises:
        FeedError: the file as a whole cannot be read; rows that came before it are not to be used.
    """
    reader = READERS.get(format)
    if reader is None:
        raise FeedError(0, f"there is no format {format!r}: it is one of {', '.join(FORMATS)}")
    first_line: dict[str, int] = {}
    for found in reader(stream, defaults):
        if isinstance(found, Row):
            known = first_line.setdefault(found.command.isbn, found.line)
            if known != found.line:
                reason = f"{found.command.isbn} stands on line {known} already: the first one counts"
                yield Skipped(found.line, reason, found.command.title[:TEXT_LENGTH_MAX])
                continue
        yield found


def format_of(filename: str) -> str:
    """The format that a file's name stands for. Raises `FeedError` where it stands for none."""
    ending = PurePath(filename).suffix.lower()
    if ending not in ENDINGS:
        raise FeedError(0, f"{filename!r} does not say its format: name it ({', '.join(FORMATS)})")
    return ENDINGS[ending]


def _csv(stream: BinaryIO, defaults: Defaults) -> Iterator[Row | Skipped]:
    for raw in raw_rows(text_lines(stream)):
        if raw.problem is not None:
            yield Skipped(raw.line, raw.problem, raw.text[:TEXT_LENGTH_MAX])
            continue
        try:
            isbn, record = to_record(raw.fields, defaults)
            yield Row(raw.line, to_command(isbn, record, defaults))
        except (BadRow, BadAmount, UnknownLanguage) as error:
            yield Skipped(raw.line, str(error), raw.text[:TEXT_LENGTH_MAX])
        except InvalidISBN as error:
            yield Skipped(raw.line, f"no ISBN: {error.reason}", raw.text[:TEXT_LENGTH_MAX])


def _jsonl(stream: BinaryIO, defaults: Defaults) -> Iterator[Row | Skipped]:
    decoder = msgspec.json.Decoder(FeedRecord)
    empty = True
    for line, text in enumerate(text_lines(stream), start=1):
        if not text.strip():
            continue
        if empty and not text.lstrip().startswith("{"):
            raise FeedError(line, "this is no JSON Lines file: every line is one JSON object")
        empty = False
        try:
            record = decoder.decode(text)
            yield Row(line, to_command(isbn13(record.isbn), record, defaults))
        except (msgspec.DecodeError, BadRow, UnknownLanguage, InvalidISBN) as error:
            yield Skipped(line, str(error), text.strip()[:TEXT_LENGTH_MAX])
    if empty:
        raise FeedError(1, "the file is empty: every line is one JSON object")


READERS: dict[str, Callable[[BinaryIO, Defaults], Iterator[Row | Skipped]]] = {"csv": _csv, "jsonl": _jsonl}
FORMATS: tuple[str, ...] = tuple(READERS)
ENDINGS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}

__all__ = [
    "ENDINGS",
    "FORMATS",
    "BadAmount",
    "BadRow",
    "BookRecord",
    "Defaults",
    "FeedError",
    "FeedRecord",
    "Row",
    "Skipped",
    "currency_code",
    "format_of",
    "minor_units",
    "parse",
    "to_command",
]

"""The orders of a list, and the cursors that page through them.

A page begins behind the last title of the page before it: behind its sort values and its ISBN, which no two titles
share ("keyset"). Titles that are added or removed meanwhile neither repeat nor hide others, as with offsets they would.
That holds for relevance as well, because a title's rank depends on the title and the query alone.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.reads.catalog.filters import Clause
from documents.catalog import fold

UP, DOWN = 1, -1
RANK = "rank"
CURSOR_LENGTH_MAX = 2048


@dataclass(frozen=True, slots=True)
class SortKey:
    """A field to sort by: its path in the document, the direction, and the type of its values."""

    path: str
    direction: int
    kind: type


TITLE_UP, TITLE_DOWN = SortKey("_id", UP, str), SortKey("_id", DOWN, str)

SORTS: dict[str, tuple[SortKey, ...]] = {
    "relevance": (SortKey(RANK, DOWN, int), SortKey("ratings_count", DOWN, int), TITLE_DOWN),
    "title": (SortKey("search.title", UP, str), TITLE_UP),
    "-title": (SortKey("search.title", DOWN, str), TITLE_DOWN),
    "price": (SortKey("search.price_up", UP, int), TITLE_UP),
    "-price": (SortKey("search.price_down", DOWN, int), TITLE_DOWN),
    "year": (SortKey("search.year_up", UP, int), TITLE_UP),
    "-year": (SortKey("search.year_down", DOWN, int), TITLE_DOWN),
    "newest": (SortKey("created_at", DOWN, datetime), TITLE_DOWN),
    "popularity": (SortKey("ratings_count", DOWN, int), TITLE_DOWN),
}


class BadCursor(ValueError):
    """The text is no cursor of this list."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: in which list, in which order, and at which sort values (datetimes in milliseconds)."""

    sort: str
    filters: str
    values: list[int | str]


def encode(sort: str, filters: str, last: dict[str, Any]) -> str:
    """The cursor behind a document of the list."""
    values = [_plain(_value(last, key.path)) for key in SORTS[sort]]
    return urlsafe_b64encode(msgspec.json.encode(Cursor(sort, filters, values))).decode().rstrip("=")


def decode(text: str, sort: str, filters: str) -> tuple[Any, ...]:
    """The sort values that a page begins behind. Raises `BadCursor`."""
    if len(text) > CURSOR_LENGTH_MAX:
        raise BadCursor("the cursor is too long")
    try:
        padded = text + "=" * (-len(text) % 4)
        cursor = msgspec.json.decode(urlsafe_b64decode(padded.encode("ascii")), type=Cursor)
    except (UnicodeEncodeError, Base64Error, msgspec.DecodeError, ValueError) as error:
        raise BadCursor("the cursor is broken: take next_cursor as it came") from error
    keys = SORTS[sort]
    if cursor.sort != sort or cursor.filters != filters:
        raise BadCursor("the cursor belongs to another list: keep filters and sort while paging")
    if len(cursor.values) != len(keys):
        raise BadCursor("the cursor is broken: take next_cursor as it came")
    return tuple(_typed(key, value) for key, value in zip(keys, cursor.values, strict=True))


def behind(sort: str, values: tuple[Any, ...]) -> Clause:
    """Everything that comes after these sort values.

    The first field's bound is said once more for all: an index on it then starts there, whatever the planner makes of
    the alternatives.
    """
    keys = SORTS[sort]
    alternatives: list[Clause] = []
    for depth, key in enumerate(keys):
        equal: Clause = {keys[i].path: values[i] for i in range(depth)}
        alternatives.append({**equal, key.path: {"$gt" if key.direction == UP else "$lt": values[depth]}})
    bound = {keys[0].path: {"$gte" if keys[0].direction == UP else "$lte": values[0]}}
    return {"$and": [bound, {"$or": alternatives}]}


def order(sort: str) -> dict[str, int]:
    """As MongoDB takes it."""
    return {key.path: key.direction for key in SORTS[sort]}


def rank_stage(q: str, words: list[str]) -> Clause:
    """How well a title fits the query, from the title and the query alone.

    6 it is the title; 5 the title begins with it; 4 all of its words stand in the title; 3 all of them stand somewhere;
    2 the title begins with what was typed; 1 the rest: the last word is only begun.
    """
    asked = fold(q)
    title = "$search.title"
    in_title = [
        {"$regexMatch": {"input": title, "regex": rf"(^| ){re.escape(word)}( |$)"}} for word in asked.split()
    ]
    cases: list[tuple[Any, int]] = [
        ({"$eq": [title, asked]}, 6),
        ({"$regexMatch": {"input": title, "regex": f"^{re.escape(asked)}( |$)"}}, 5),
        ({"$and": in_title}, 4),
        ({"$setIsSubset": [words, "$search.words"]}, 3),
        ({"$regexMatch": {"input": title, "regex": f"^{re.escape(asked)}"}}, 2),
    ]
    branches = [{"case": case, "then": rank} for case, rank in cases]
    return {"$addFields": {RANK: {"$switch": {"branches": branches, "default": 1}}}}


def _value(document: dict[str, Any], path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value[name]
    return value


def _plain(value: Any) -> int | str:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return value if isinstance(value, str) else int(value)


def _typed(key: SortKey, value: int | str) -> Any:
    wanted = str if key.kind is str else int
    if not isinstance(value, wanted):
        raise BadCursor("the cursor is broken: take next_cursor as it came")
    if key.kind is datetime and isinstance(value, int):
        try:
            return datetime.fromtimestamp(value / 1000, UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise BadCursor("the cursor is broken: take next_cursor as it came") from error
    if isinstance(value, int) and abs(value) > 2**62:
        raise BadCursor("the cursor is broken: take next_cursor as it came")
    return value

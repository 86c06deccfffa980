"""The catalogue's reads: from the cache, else from MongoDB. They answer encoded JSON with its ETag."""

import asyncio
from typing import Any

import msgspec

from app.cache import LISTS, CachedReads, Entry, book_tag
from app.reads.catalog import facets, sorting
from app.reads.catalog.filters import Clause, Filters, both, words_clause
from app.reads.catalog.shapes import (
    HIDDEN,
    BookView,
    SubjectCount,
    Subjects,
    Suggestion,
    Suggestions,
    book_view,
)
from documents.catalog import Book, index_words, name_key, query_words

# How long an answer may be kept. Changes are told by events; these bound what a lost event or an added title costs.
BOOK_TTL_S = 60.0
LIST_TTL_S = 10.0
SUBJECTS_TTL_S = 60.0

SUGGESTED_TITLES_MAX = 8
SUGGESTED_AUTHORS_MAX = 4
SUGGESTION_CANDIDATES_MAX = 60
SHORT_QUERY_LENGTH = 2


class _Page(msgspec.Struct, frozen=True):
    items: list[BookView]
    next_cursor: str | None
    total: int
    facets: msgspec.Raw


class _KeptSummary(msgspec.Struct, frozen=True):
    total: int
    facets: msgspec.Raw


class CatalogReads:
    """What the routes ask. Raises `BadCursor`, and PyMongo's errors where the database is away."""

    def __init__(self, cache: CachedReads) -> None:
        self.cache = cache

    async def book(self, isbn: str) -> Entry:
        """A title by its ISBN-13; an entry without a body where there is none."""
        return await self.cache.read(f"book:{isbn}", book_tag(isbn), lambda: _book(isbn), BOOK_TTL_S)

    async def books(self, filters: Filters, sort: str, limit: int, cursor: str | None) -> Entry:
        """A page of a list, with the list's total and facets."""
        sort = _effective(sort, filters)
        digest = filters.digest
        after = sorting.decode(cursor, sort, digest) if cursor else None
        key = f"list:{digest}:{sort}:{limit}:{cursor or ''}"
        return await self.cache.read(key, LISTS, lambda: self._list(filters, sort, limit, after), LIST_TTL_S)

    async def _list(self, filters: Filters, sort: str, limit: int, after: tuple[Any, ...] | None) -> bytes:
        clauses = filters.clauses(whole_author=await _is_author(filters.author))
        documents, summary = await asyncio.gather(
            _page(filters, clauses, sort, limit, after),
            self.cache.read(f"facets:{filters.digest}", LISTS, lambda: _summary(clauses), LIST_TTL_S),
        )
        kept = msgspec.json.decode(summary.body or b"", type=_KeptSummary)
        page = documents[:limit]
        following = sorting.encode(sort, filters.digest, page[-1]) if len(documents) > limit else None
        return msgspec.json.encode(
            _Page([book_view(each) for each in page], following, kept.total, kept.facets)
        )

    async def suggest(self, q: str) -> Entry:
        """Titles and authors whose words begin with what was typed."""
        words = query_words(q)
        key = f"suggest:{' '.join(words)}"
        return await self.cache.read(key, LISTS, lambda: _suggest(q, words), LIST_TTL_S)

    async def subjects(self) -> Entry:
        """Every subject with its count."""
        return await self.cache.read("subjects", LISTS, _subjects, SUBJECTS_TTL_S)


def _effective(sort: str, filters: Filters) -> str:
    """Without words to rank by, the most popular come first."""
    return "popularity" if sort == "relevance" and not filters.words else sort


async def _is_author(name: str | None) -> bool:
    if name is None:
        return False
    found = await Book.get_pymongo_collection().find_one({"search.authors": name_key(name)}, {"_id": 1})
    return found is not None


async def _book(isbn: str) -> bytes | None:
    raw = await Book.get_pymongo_collection().find_one({"_id": isbn}, HIDDEN)
    return msgspec.json.encode(book_view(raw)) if raw else None


async def _summary(clauses: dict[str, Clause]) -> bytes:
    return msgspec.json.encode(await facets.summary(clauses))


async def _page(
    filters: Filters, clauses: dict[str, Clause], sort: str, limit: int, after: tuple[Any, ...] | None
) -> list[dict[str, Any]]:
    """The page's documents, and one more where another page follows."""
    rest = sorting.behind(sort, after) if after else {}
    match = both(*clauses.values())
    pipeline: list[dict[str, Any]] = []
    if sort == "relevance":
        ranked = sorting.rank_stage(filters.q or "", filters.words)
        pipeline = [{"$match": match}, ranked, *([{"$match": rest}] if rest else [])]
    else:
        pipeline = [{"$match": both(match, rest)}]
    pipeline += [{"$sort": sorting.order(sort)}, {"$limit": limit + 1}, {"$project": {"search.words": 0}}]
    return await (await Book.get_pymongo_collection().aggregate(pipeline)).to_list()


async def _suggest(q: str, words: list[str]) -> bytes:
    if not words:
        return msgspec.json.encode(Suggestions([]))
    # One or two letters fit thousands: then the popular ones, which an index has in order (2 ms instead of 100).
    short = len("".join(words)) <= SHORT_QUERY_LENGTH
    ranked = [] if short else [sorting.rank_stage(q, words)]
    pipeline = [
        {"$match": words_clause(words)},
        *ranked,
        {"$sort": sorting.order("popularity" if short else "relevance")},
        {"$limit": SUGGESTION_CANDIDATES_MAX},
        {"$project": {"title": 1, "contributors": 1}},
    ]
    found = await (await Book.get_pymongo_collection().aggregate(pipeline)).to_list()
    authors: dict[str, None] = {}
    titles: list[Suggestion] = []
    for raw in found:
        names = [each["name"] for each in raw["contributors"]]
        authors.update(dict.fromkeys(name for name in names if _begins(name, words)))
        if _begins(" ".join([raw["title"], *names]), words):
            titles.append(Suggestion("title", raw["title"], raw["_id"], names[0] if names else None))
    items = titles[:SUGGESTED_TITLES_MAX]
    items += [Suggestion("author", name) for name in list(authors)[:SUGGESTED_AUTHORS_MAX]]
    return msgspec.json.encode(Suggestions(items))


def _begins(text: str, words: list[str]) -> bool:
    known = index_words(text)
    *whole, last = words
    return all(word in known for word in whole) and any(word.startswith(last) for word in known)


async def _subjects() -> bytes:
    found = await facets.subjects()
    items = [SubjectCount(each["_id"], each["code"], each["name"], each["n"]) for each in found]
    return msgspec.json.encode(Subjects(items))

"""What a list of titles is narrowed by, as clauses for MongoDB."""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec

from documents.catalog import InvalidISBN, UnknownLanguage, fold, isbn13, language_code, name_key, query_words

Clause: TypeAlias = dict[str, Any]

SELLABLE: Clause = {"available": True, "for_sale": True}
NOTHING: Clause = {"_id": {"$in": []}}
QUERY_WORDS_MAX = 16
FACETED = ("subject", "author", "language", "format", "available")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The filters of a request; prices in minor units. None: not in force."""

    q: str | None = None
    subject: str | None = None
    author: str | None = None
    language: str | None = None
    format: str | None = None
    price_min: int | None = None
    price_max: int | None = None
    available: bool | None = None

    @property
    def digest(self) -> str:
        """The same for the same filters: part of cache keys, and of cursors, which belong to one list."""
        return blake2b(msgspec.json.encode(self), digest_size=9).hexdigest()

    @property
    def words(self) -> list[str]:
        """What `q` asks for, unless it is an ISBN."""
        return [] if self.isbn else query_words(self.q or "")[:QUERY_WORDS_MAX]

    @property
    def isbn(self) -> str | None:
        """The title that `q` names by its ISBN, in whatever form."""
        try:
            return isbn13(self.q) if self.q else None
        except InvalidISBN:
            return None

    def clauses(self, *, whole_author: bool) -> dict[str, Clause]:
        """One clause for each filter in force, by the filter's name; `q` and `price` are among them.

        `whole_author`: there is an author of exactly that name, so that others with longer names are not meant.
        """
        found: dict[str, Clause] = {}
        if self.q is not None and self.q.strip():
            found["q"] = self._query()
        if self.price_min is not None or self.price_max is not None:
            found["price"] = {"price.amount": _between(self.price_min, self.price_max)}
        if self.subject is not None:
            found["subject"] = {"search.subjects": fold(self.subject)}
        if self.author is not None:
            name = name_key(self.author) if whole_author else author_pattern(self.author)
            found["author"] = {"search.authors": name}
        if self.language is not None:
            found["language"] = _language(self.language)
        if self.format is not None:
            found["format"] = {"format": " ".join(self.format.lower().split())}
        if self.available is not None:
            found["available"] = SELLABLE if self.available else {"$nor": [SELLABLE]}
        return found

    def _query(self) -> Clause:
        if self.isbn:
            return {"_id": self.isbn}
        return words_clause(self.words) if self.words else NOTHING


def words_clause(words: list[str]) -> Clause:
    """Titles that have every word; the last one may have been typed only in part."""
    *whole, last = words
    prefix: Clause = {"search.words": {"$regex": f"^{re.escape(last)}"}}
    return {"$and": [{"search.words": {"$all": whole}}, prefix]} if whole else prefix


def author_pattern(name: str) -> Clause | str:
    """One contributor whose name has all of these words, in any order: "Austen" and "austen jane" are Jane Austen."""
    words = query_words(name)
    if not words:
        return {"$in": []}
    return {"$regex": "^" + "".join(rf"(?=(.* )?{re.escape(word)}( |$))" for word in words)}


def both(*clauses: Clause) -> Clause:
    """All of these."""
    in_force = [clause for clause in clauses if clause]
    if len(in_force) == 1:
        return in_force[0]
    return {"$and": in_force} if in_force else {}


def _language(text: str) -> Clause:
    try:
        return {"language": language_code(text)}
    except UnknownLanguage:
        return NOTHING


def _between(least: int | None, most: int | None) -> Clause:
    bounds: Clause = {}
    if least is not None:
        bounds["$gte"] = least
    if most is not None:
        bounds["$lte"] = most
    return bounds

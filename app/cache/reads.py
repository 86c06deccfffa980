"""Cached reads: one load at a time for a key, however many ask for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from app.cache.entries import Cache, Entry
from app.cache.heard import Heard, Mark
from broker.messages import BookChanged

Load: TypeAlias = Callable[[], Awaitable[bytes | None]]

NOTHING_TTL_S = 2.0  # a title that is not there may be added at any moment, and nothing says so
LISTS = "lists"
BOOKS = "books"
KINDS = (LISTS, BOOKS)
HIT, MISS = RESULTS = ("hit", "miss")


def book_tag(isbn: str) -> str:
    """The tag of everything that is kept of one title."""
    return f"book:{isbn}"


class CachedReads:
    """Answers of the catalogue, encoded once and kept.

    A hit builds no model: the entry holds the bytes that go out, and their ETag. Every title has a tag of its own;
    all lists, facets and suggestions share one, because one title that changes may move in any of them.
    """

    def __init__(self, cache: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: dict[tuple[str, ...], int] = {(kind, result): 0 for kind in KINDS for result in RESULTS}
        self._cache = cache
        self._clock = clock
        self._heard = Heard()
        self._flights: dict[tuple[str, str | None, int], asyncio.Task[Entry]] = {}
        self._drops = (
            0  # tells loads before and after a drop apart where the cache is away and gives no version
        )

    async def read(self, key: str, tag: str, load: Load, ttl_s: float) -> Entry:
        """The kept answer, or the loaded one, which is then kept. Raises what `load` raises.

        Those who ask while it is loading share one load, unless the tag was dropped meanwhile: they ask for a newer
        answer than that load may bring. Nobody's cancellation ends a load that others wait for.
        """
        asked_at = self._clock()
        mark = self._heard.mark(tag)  # before the cache is asked: see `app.cache.heard`
        found = await self._cache.get(key, tag)
        kind = _kind(tag)
        if found.entry is not None:
            self.counts[kind, HIT] += 1
            return replace(found.entry, mark=replace(mark, until=asked_at + found.left_s))
        self.counts[kind, MISS] += 1
        flight = (key, found.version, self._drops)
        task = self._flights.get(flight)
        if task is None:
            task = asyncio.create_task(self._load(key, found.version, load, ttl_s))
            self._flights[flight] = task
            task.add_done_callback(lambda _: self._flights.pop(flight, None))
        entry = await asyncio.shield(task)
        if found.version is None:
            return entry  # nothing would tell that a copy is no longer good
        return replace(entry, mark=replace(mark, until=asked_at + _ttl_s(entry, ttl_s)))

    def start(self) -> None:
        """Begins to hear of drops that other edges make, until `close`; needed by those who keep copies."""
        self._cache.follow(self._heard.drop)

    def take(self, mark: Mark) -> bool:
        """Whether a copy of the entry with this mark may be served now; one that may counts as a hit.

        Nobody is asked. False while drops that others make cannot be heard.
        """
        now = self._clock()
        if now >= self._cache.sure_until or not self._heard.good(mark, now):
            return False
        self.counts[_kind(mark.tag), HIT] += 1
        return True

    async def _load(self, key: str, version: str | None, load: Load, ttl_s: float) -> Entry:
        entry = Entry.of(await load())
        if version is not None:
            await self._cache.put(key, version, entry, _ttl_s(entry, ttl_s))
        return entry

    async def on_book_changed(self, event: BookChanged) -> None:
        """What the edge's feed of events calls."""
        await self.drop(event.isbn)

    async def drop(self, isbn: str) -> None:
        """Forgets a title and every list that it may stand in."""
        await self._drop(book_tag(isbn), LISTS)

    async def drop_lists(self) -> None:
        """Forgets every list: titles were added."""
        await self._drop(LISTS)

    async def _drop(self, *tags: str) -> None:
        """Copies go at once, and once more after the cache was told: what was read meanwhile may be the old."""
        self._drops += 1
        for tag in tags:
            self._heard.drop(tag)
        for tag in tags:
            await self._cache.drop(tag)
            self._heard.drop(tag)

    async def close(self) -> None:
        """Ends the loads that nobody waits for any more, and the cache."""
        for task in tuple(self._flights.values()):
            task.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        await self._cache.close()


def _kind(tag: str) -> str:
    return LISTS if tag == LISTS else BOOKS


def _ttl_s(entry: Entry, ttl_s: float) -> float:
    return ttl_s if entry.body is not None else NOTHING_TTL_S

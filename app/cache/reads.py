"""Cached reads: one load at a time for a key, however many ask for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from app.cache.entries import Cache, Entry
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

    def __init__(self, cache: Cache) -> None:
        self.counts = {(kind, result): 0 for kind in KINDS for result in RESULTS}
        self._cache = cache
        self._flights: dict[tuple[str, str | None, int], asyncio.Task[Entry]] = {}
        self._drops = (
            0  # tells loads before and after a drop apart where the cache is away and gives no version
        )

    async def read(self, key: str, tag: str, load: Load, ttl_s: float) -> Entry:
        """The kept answer, or the loaded one, which is then kept. Raises what `load` raises.

        Those who ask while it is loading share one load, unless the tag was dropped meanwhile: they ask for a newer
        answer than that load may bring. Nobody's cancellation ends a load that others wait for.
        """
        found = await self._cache.get(key, tag)
        kind = LISTS if tag == LISTS else BOOKS
        if found.entry is not None:
            self.counts[kind, HIT] += 1
            return found.entry
        self.counts[kind, MISS] += 1
        flight = (key, found.version, self._drops)
        task = self._flights.get(flight)
        if task is None:
            task = asyncio.create_task(self._load(key, found.version, load, ttl_s))
            self._flights[flight] = task
            task.add_done_callback(lambda _: self._flights.pop(flight, None))
        return await asyncio.shield(task)

    async def _load(self, key: str, version: str | None, load: Load, ttl_s: float) -> Entry:
        entry = Entry.of(await load())
        if version is not None:
            await self._cache.put(key, version, entry, ttl_s if entry.body is not None else NOTHING_TTL_S)
        return entry

    async def on_book_changed(self, event: BookChanged) -> None:
        """What the edge's feed of events calls."""
        await self.drop(event.isbn)

    async def drop(self, isbn: str) -> None:
        """Forgets a title and every list that it may stand in."""
        self._drops += 1
        await self._cache.drop(book_tag(isbn))
        await self._cache.drop(LISTS)

    async def drop_lists(self) -> None:
        """Forgets every list: titles were added."""
        self._drops += 1
        await self._cache.drop(LISTS)

    async def close(self) -> None:
        """Ends the loads that nobody waits for any more, and the cache."""
        for task in tuple(self._flights.values()):
            task.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        await self._cache.close()

"""The cache of the embedded default: in memory, bounded, least recently used out first."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.cache.entries import Entry, Found
from app.cache.heard import TAG_SLOTS, slot_of

ENTRIES_MAX = 4096
BYTES_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry with what decides whether it is still good; `until` in seconds of the clock."""

    entry: Entry
    version: str
    until: float
    size: int


class MemoryCache:
    """A `Cache` within this process, which nobody else drops from. `clock` gives seconds."""

    sure_until = math.inf

    def __init__(
        self,
        entries_max: int = ENTRIES_MAX,
        bytes_max: int = BYTES_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._clock = clock
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._versions = [0] * TAG_SLOTS
        self._bytes = 0

    def follow(self, told: Callable[[str | None], None]) -> None:
        """There is nobody to follow."""

    async def get(self, key: str, tag: str) -> Found:
        """The entry of a key, unless its tag was dropped since or its time is over."""
        version = str(self._versions[slot_of(tag)])
        kept = self._kept.get(key)
        if kept is None:
            return Found(None, version)
        left_s = kept.until - self._clock()
        if kept.version != version or left_s <= 0:
            self._forget(key)
            return Found(None, version)
        self._kept.move_to_end(key)
        return Found(kept.entry, version, left_s)

    async def put(self, key: str, version: str, entry: Entry, ttl_s: float) -> None:
        """Keeps an entry; the ones that nobody asked for longest make room."""
        size = len(key) + len(entry.body or b"") + 200  # bytes; the objects around it
        if size > self._bytes_max:
            return
        self._forget(key)
        self._kept[key] = Kept(entry, version, self._clock() + ttl_s, size)
        self._bytes += size
        while len(self._kept) > self._entries_max or self._bytes > self._bytes_max:
            self._forget(next(iter(self._kept)))

    async def drop(self, tag: str) -> None:
        """Makes every entry of a tag worthless."""
        self._versions[slot_of(tag)] += 1

    async def close(self) -> None:
        """Forgets everything."""
        self._kept.clear()
        self._bytes = 0

    def _forget(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.size

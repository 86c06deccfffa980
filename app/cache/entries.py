"""What a cache of encoded answers can do, whoever keeps it.

An entry is stored together with the version of its tag that was read *before* the database was. `drop` changes the
version, so an answer that was read before a change and stored after it is never served: the classic race of a cache
that only deletes. A time to live stands behind it, for the drops that got lost.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

from app.cache.heard import Mark

ETAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """An encoded answer and its strong validator, or the knowledge that there is nothing (`body` is None).

    `mark` says how long a copy may be kept in this process, where it may be kept at all.
    """

    etag: str
    body: bytes | None
    mark: Mark | None = field(default=None, compare=False)

    @classmethod
    def of(cls, body: bytes | None) -> "Entry":
        """The entry of an answer: its ETag is a hash of its bytes (RFC 9110, 8.8.3)."""
        if body is None:
            return cls("", None)
        return cls(f'"{blake2b(body, digest_size=ETAG_BYTES).hexdigest()}"', body)

    def pack(self) -> bytes:
        """As one value of a key-value store."""
        return self.etag.encode() + b"\n" + (self.body or b"")

    @classmethod
    def unpack(cls, packed: bytes) -> "Entry":
        """The entry that was packed."""
        etag, _, body = packed.partition(b"\n")
        return cls(etag.decode(), body if etag else None)


@dataclass(frozen=True, slots=True)
class Found:
    """What a cache has: the entry, if it is still good, and the version to store a new one with.

    Without a version (the cache is away) nothing can be stored. `left_s`: for how long the entry is still good.
    """

    entry: Entry | None
    version: str | None
    left_s: float = 0.0


class Cache(Protocol):
    """Entries by key, dropped by tag. No method raises for a cache that is away: it then holds nothing."""

    @property
    def sure_until(self) -> float:
        """Until when, by `time.monotonic`, every drop that others made before now has been told to `told`."""
        ...

    def follow(self, told: Callable[[str | None], None]) -> None:
        """Begins to call `told` with the tag of every drop that others make, and with None where it may be any."""
        ...

    async def get(self, key: str, tag: str) -> Found:
        """The entry of a key, unless its tag was dropped since or its time is over."""
        ...

    async def put(self, key: str, version: str, entry: Entry, ttl_s: float) -> None:
        """Keeps an entry for at most `ttl_s`, under the version that `get` gave."""
        ...

    async def drop(self, tag: str) -> None:
        """Makes every entry of a tag worthless, also those that are being read right now."""
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...

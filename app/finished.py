"""Finished answers: what everybody reads of the catalogue, kept in this process as the bytes that go out.

A route puts its answer here (`Finished.keep`), and the next request for the same path and query is answered before
Litestar, Redis or JSON see it, for as long as the cache is sure that nothing changed (`CachedReads.good`). What is kept
does not depend on who asks: the public routes read no credential, and no header but If-None-Match.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request

from app.cache import CachedReads, Entry
from app.cache.heard import Mark

BYTES_MAX: Final = 16 << 20
ANSWER_BYTES_MAX: Final = BYTES_MAX // 16
OVERHEAD_BYTES: Final = 2_000  # headers, key and the objects around them

HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""What every answer of the edge has, unless its route says it otherwise."""

METHODS: Final = ("GET", "HEAD")

Headers = list[tuple[bytes, bytes]]
Key = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Finished:
    """An answer as it goes out, but for its correlation id. `route` is the template that metrics name it by."""

    route: str
    etag: str
    headers: Headers
    body: bytes
    unchanged: Headers
    """The headers of its 304."""
    mark: Mark

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return len(self.body) + OVERHEAD_BYTES


class FinishedAnswers:
    """Answers by path and query, bounded in bytes; what nobody asked for longest makes room."""

    def __init__(self, cache: CachedReads, *, bytes_max: int = BYTES_MAX) -> None:
        self._cache = cache
        self._bytes_max = bytes_max
        self._kept: OrderedDict[Key, Finished] = OrderedDict()
        self.bytes = 0

    def find(self, scope: Any) -> Finished | None:
        """What answers this GET or HEAD as its route would now; None where the route has to."""
        key = (scope["path"], scope["query_string"])
        kept = self._kept.get(key)
        if kept is None or scope["method"] not in METHODS:
            return None
        if not self._cache.take(kept.mark):
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def keep(
        self, request: Request[Any, Any, Any], entry: Entry, headers: dict[str, str], media_type: str
    ) -> None:
        """Keeps the answer that a route is about to give with this entry, for as long as its mark holds."""
        body = entry.body
        if body is None or entry.mark is None or len(body) > ANSWER_BYTES_MAX:
            return
        unchanged = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        present = {name for name, _ in unchanged}
        unchanged += [header for header in HEADERS if header[0] not in present]
        whole = [
            *unchanged,
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        scope: Any = request.scope
        key = (scope["path"], scope["query_string"])
        self._forget(key)
        self._kept[key] = finished = Finished(
            scope["path_template"], entry.etag, whole, body, unchanged, entry.mark
        )
        self.bytes += finished.size
        while self.bytes > self._bytes_max:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.bytes -= kept.size

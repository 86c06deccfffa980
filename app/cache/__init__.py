"""The cache of the catalogue's reads: Redis where edges share one, memory in the embedded default."""

from app.cache.entries import Cache, Entry, Found
from app.cache.memory import MemoryCache
from app.cache.reads import LISTS, CachedReads, book_tag
from app.cache.redis import RedisCache

__all__ = ["LISTS", "Cache", "CachedReads", "Entry", "Found", "MemoryCache", "RedisCache", "book_tag"]

"""What an edge has heard of drops, wherever they were made: whether a copy in its own memory is still good.

A mark is taken *before* an answer is asked for, so an answer that was read before a drop and kept after it is
never good: the same order as with the versions of the shared cache (see `app.cache.entries`).
"""

from dataclasses import dataclass
from zlib import crc32

TAG_SLOTS = 4096  # tags share counters: a collision drops too much, never too little, and nothing grows


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a tag had been heard of. `until`, in seconds of the clock: when a copy is too old whatever is heard."""

    tag: str
    slot: int
    heard: int
    until: float


class Heard:
    """Counts the drops of each tag."""

    def __init__(self) -> None:
        self._slots = [0] * TAG_SLOTS

    def mark(self, tag: str, until: float = 0.0) -> Mark:
        """Where a tag stands now."""
        slot = slot_of(tag)
        return Mark(tag, slot, self._slots[slot], until)

    def drop(self, tag: str | None) -> None:
        """A tag was dropped; None: it may have been any of them."""
        if tag is None:
            self._slots = [heard + 1 for heard in self._slots]
        else:
            self._slots[slot_of(tag)] += 1

    def good(self, mark: Mark, now: float) -> bool:
        """Whether nothing was heard since the mark, and its time is not over."""
        return self._slots[mark.slot] == mark.heard and now < mark.until


def slot_of(tag: str) -> int:
    """The counter of a tag, out of `TAG_SLOTS`."""
    return crc32(tag.encode()) % TAG_SLOTS

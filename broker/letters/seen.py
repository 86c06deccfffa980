"""What a look has seen, so that what is done after it touches nothing else.

Times cannot say it: a letter may arrive long after its message failed (it waited in an outbox, its worker's clock is
behind), or tell no time at all. A dead-letter queue is first in, first out, and what a look gives back stands where it
stood; so whatever arrives after a look stands behind the last letter of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from broker.letters.letter import Letter


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a look at one queue went: so many letters, and the id of the last of them."""

    count: int
    last: str

    @classmethod
    def of(cls, letters: Sequence[Letter]) -> "Mark | None":
        """The mark behind some letters; None where there are none."""
        return cls(len(letters), letters[-1].id) if letters else None

    def reach(self, letters: Sequence[Letter]) -> int | None:
        """How many of the letters that stand there now, in their order, had been seen.

        Fewer than `count` where somebody else took some meanwhile; None where the last one is gone, because then nobody
        can tell.
        """
        there = [number for number, each in enumerate(letters[: self.count], 1) if each.id == self.last]
        return there[-1] if there else None


@dataclass(frozen=True, slots=True)
class Seen:
    """A look: ages were counted to `as_of`; `marks` by group, without those that were empty."""

    as_of: datetime
    marks: Mapping[str, Mark]

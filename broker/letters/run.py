"""What replays and drops have in common: how far they look, and how they end."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from broker.letters.reading import LettersBusy, LettersUnavailable, Reading
from broker.letters.result import Result
from broker.letters.seen import Mark, Seen
from broker.topology import Group


class Bounds:
    """How many letters of each queue a run looks at: those that stood there when it began, or that were seen before."""

    def __init__(self, result: Result, seen: Seen | None, held_max: int) -> None:
        self._result = result
        self._seen = seen
        self._held_max = held_max

    @property
    def counted_to(self) -> datetime:
        """The time to which ages are counted: that of the look, so that nobody grows old enough after it."""
        return self._seen.as_of if self._seen is not None else self._result.as_of

    def may_hold(self, group: Group) -> bool:
        """Whether anything of a group is meant at all."""
        return self._seen is None or group.name in self._seen.marks

    def most(self, group: Group, left: int | None) -> int:
        """How many letters to hold next, with so many left (None: at the first look)."""
        mark = self._mark(group)
        if left is None:
            left = mark.count if mark is not None else self._held_max
        return min(left, self._held_max)

    def first_look(self, reading: Reading) -> int:
        """How many letters from the front are meant. 0, and the run stops, where that cannot be told any more."""
        letters = [held.letter for held in reading.held]
        if self._result.dry_run and (here := Mark.of(letters)) is not None:
            self._result.marks[reading.group.name] = here
        mark = self._mark(reading.group)
        if mark is None:
            return reading.standing
        reach = mark.reach(letters)
        if reach is None:
            self._result.stopped = (
                f"somebody else took letters of {reading.group.dead} after they were looked at: look again"
            )
        return reach or 0

    def last_look(self, group: Group, left: int) -> None:
        """Notes a group of which more is left than one look reads."""
        if left > self._held_max:
            self._result.truncated.append(group.name)

    def _mark(self, group: Group) -> Mark | None:
        return self._seen.marks.get(group.name) if self._seen is not None else None


@contextmanager
def ended_early(result: Result) -> Iterator[None]:
    """A run that cannot go on keeps what it has done, with the reason; one that has done nothing yet raises it."""
    try:
        yield
    except (LettersBusy, LettersUnavailable) as error:
        if not result.done or result.dry_run:
            raise
        result.stopped = str(error)

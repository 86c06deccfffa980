"""What was done to dead letters, or would be."""

from dataclasses import dataclass, field
from datetime import datetime

from broker.letters.letter import Letter
from broker.letters.seen import Mark
from broker.letters.standing import Standing

NAMED_MAX = 200  # letters named one by one


@dataclass(slots=True)
class Result:
    """A run over the letters that are meant. With `dry_run` nothing was touched, and `done` is what would be.

    `standings` counts all that are meant by how they stand, `stays` those of them that a replay leaves; `stopped` is
    why the run ended before its end (None: it did not); `named` are the first of those that were done; `marks` are how
    far a dry run looked, by group.
    """

    run: str
    as_of: datetime
    dry_run: bool
    matched: int = 0
    done: int = 0
    standings: dict[str, int] = field(default_factory=dict)
    stays: dict[str, int] = field(default_factory=dict)
    stopped: str | None = None
    truncated: list[str] = field(default_factory=list)
    named: list[Letter] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)

    def count(self, standing: Standing) -> None:
        """One more letter that is meant."""
        self.matched += 1
        self.standings[standing.value] = self.standings.get(standing.value, 0) + 1

    def leaves(self, standing: Standing) -> None:
        """One of those that are meant stays where it is."""
        self.stays[standing.value] = self.stays.get(standing.value, 0) + 1

    def did(self, letter: Letter) -> None:
        """One more letter is done."""
        self.done += 1
        if len(self.named) < NAMED_MAX:
            self.named.append(letter)

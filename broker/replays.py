"""Replays: what a dead letter carries when it is sent round again, and which failed receipt it may supersede.

A failed receipt had no effect, so a replay may put another outcome in its place. It names the failure that it answers
by the receipt's `at`: once superseded, or failed again, the receipt says another time, and a second delivery of the
same replay is a duplicate like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from documents.operations import Outcome

REPLAY = "x-quire-replay"  # the run's id
SUPERSEDES = "x-quire-supersedes"
FORCED = "x-quire-forced"
AFTER = "x-quire-replay-after"
REPLAYS = "x-quire-replays"
HISTORY = "x-quire-history"
EARLIER = "x-quire-earlier-attempts"
KILLED = "x-quire-killed"

HISTORY_MAX = 10  # the latest failures, one line each


@dataclass(frozen=True, slots=True)
class Replay:
    """What makes a delivery a replay.

    `supersedes` is the `at` of the failed receipt; `forced` lets it through where its actor has moved on, or where it
    is too old; `after` is the message of the same actor that went before it in the same run; `count` is how often the
    message was replayed, this time included; `history` has a line for each earlier failure, the latest last; `killed`
    says that its worker died of it, or may have, when it was last delivered.
    """

    id: str
    supersedes: datetime
    forced: bool = False
    after: str | None = None
    count: int = 1
    history: tuple[str, ...] = ()
    earlier_attempts: int = 0
    killed: bool = False

    @classmethod
    def read(cls, headers: Mapping[str, Any]) -> "Replay | None":
        """The replay that a delivery's headers tell of; None where it is none, or says nothing sound."""
        run, supersedes = headers.get(REPLAY), headers.get(SUPERSEDES)
        if not isinstance(run, str) or not isinstance(supersedes, str):
            return None
        try:
            at = datetime.fromisoformat(supersedes)
        except ValueError:
            return None
        if at.tzinfo is None:
            return None
        after = headers.get(AFTER)
        return cls(
            run,
            at,
            headers.get(FORCED) is True,
            after if isinstance(after, str) else None,
            count_of(headers.get(REPLAYS)),
            history_of(headers.get(HISTORY)),
            count_of(headers.get(EARLIER)),
            headers.get(KILLED) is True,
        )

    @property
    def told(self) -> dict[str, Any]:
        """What a message that fails again tells of its past."""
        return {
            REPLAY: self.id,
            REPLAYS: self.count,
            HISTORY: list(self.history[-HISTORY_MAX:]),
            EARLIER: self.earlier_attempts,
        }

    @property
    def headers(self) -> dict[str, Any]:
        """What the replayed message travels with."""
        after = {AFTER: self.after} if self.after is not None else {}
        return {
            **self.told,
            **after,
            SUPERSEDES: self.supersedes.isoformat(),
            FORCED: self.forced,
            KILLED: self.killed,
        }

    def may_supersede(self, receipt: Mapping[str, Any]) -> bool:
        """Whether that receipt is the failure that this replay answers."""
        failed: bool = receipt["status"] == Outcome.FAILED.value and receipt["at"] == self.supersedes
        return failed


def count_of(value: object) -> int:
    """A header that counts; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def history_of(value: object) -> tuple[str, ...]:
    """A header with lines of text; empty for anything else."""
    lines = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()
    return tuple(str(line) for line in lines)[-HISTORY_MAX:]

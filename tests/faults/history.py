"""What shoppers did and what they were told: one entry an operation, as Jepsen keeps it.

An operation is *ok* (it succeeded), *rejected* (a rule said no), *refused* (the edge says that nothing was accepted),
*failed* (it stands in a dead-letter queue) or *unknown*: no answer came, so it may have happened or not. Unknown ones
are settled later by sending them again with the same Idempotency-Key.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Lines = tuple[tuple[str, int], ...]  # copies by ISBN, sorted
Kind = Literal["add", "set", "remove", "clear", "order", "merge", "absorb", "read"]

NEVER = math.inf


class Outcome(StrEnum):
    """How an operation ended, as far as its sender knows."""

    OK = "ok"
    REJECTED = "rejected"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Op:
    """One operation on one cart. Times are seconds since the epoch; `NEVER` where it has not come to that.

    `acked`: when its sender learned that the broker has it; `completed`: when its sender learned the outcome. `seen`
    are the lines that a read showed or that an order bought; `handed` the sets of lines, one of which a merge brought.
    """

    kind: Kind
    isbn: str = ""
    quantity: int = 0
    invoked: float = 0.0
    acked: float = NEVER
    completed: float = NEVER
    outcome: Outcome = Outcome.UNKNOWN
    code: str = ""
    seen: Lines | None = None
    handed: frozenset[Lines] = frozenset()
    sent: int = 0  # how often
    doubtful: bool = False  # some try had no answer
    operation: str | None = None  # its id at the edge
    request: tuple[str, str, Any] = ("", "", None)  # method, path, body
    headers: dict[str, str] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether it is a command."""
        return self.kind != "read"

    def before(self, other: "Op") -> bool:
        """Whether its effect must come before the other's.

        Commands take effect in the order in which they were accepted; a merge is accepted by the other cart, and takes
        effect here some time before it is done. A read sees every command that was known to be done before it began,
        and none that was sent after it had ended.
        """
        if self.writes and other.writes and self.kind != "absorb":
            return self.acked < other.invoked
        return self.completed < other.invoked


@dataclass(slots=True)
class Cart:
    """One cart's whole history."""

    id: str
    token: str
    ops: list[Op] = field(default_factory=list)
    orders: dict[str, Op] = field(default_factory=dict)


def lines_of(rows: list[dict[str, object]]) -> Lines:
    """The lines of a cart or an order, as the edge shows them."""
    return tuple(sorted((str(row["isbn"]), int(str(row["quantity"]))) for row in rows))

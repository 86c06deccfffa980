"""The steps of an order's trace, and how they hang together."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a step is."""

    MESSAGE = "message"  # was sent
    RECEIPT = "receipt"  # was processed by a group
    STATE = "state"  # a document changed
    STOCK = "stock"  # a title's counts moved
    CHARGE = "charge"  # the gateway booked something
    MAIL = "mail"
    OUTBOX = "outbox"  # is still to be sent
    WAITING = "waiting"  # stands in a queue
    DEAD = "dead"  # stands in a dead-letter queue
    FAILURE = "failure"  # of a message that was sent round again afterwards
    DEED = "deed"  # somebody replayed or dropped a dead letter


@dataclass(slots=True)
class Step:
    """One thing that happened, and what followed from it. `detail` holds JSON builtins and datetimes.

    `at` may be the start of the work that it belongs to, or another machine's clock; `after` is known all the same.
    """

    kind: Kind
    at: datetime
    what: str
    status: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    follows: list["Step"] = field(default_factory=list)
    after: "Step | None" = None

    @property
    def place(self) -> tuple[datetime, int]:
        """Where it stands among its siblings: at its time, but behind the step that it came `after`."""
        if self.after is None:
            return self.at, 0
        at, rank = self.after.place
        return (self.at, 0) if self.at > at else (at, rank + 1)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Step"]]:
        """The step and all that followed, causes before effects, each with its depth."""
        yield depth, self
        for step in sorted(self.follows, key=lambda each: each.place):
            yield from step.walk(depth + 1)


@dataclass(frozen=True, slots=True)
class Trace:
    """An order's steps: `roots` are what nothing kept here caused. `remarks` say what could not be read."""

    order_id: str
    status: str
    correlation_id: str
    roots: tuple[Step, ...]
    remarks: tuple[str, ...] = ()

    def walk(self) -> Iterator[tuple[int, Step]]:
        """All steps with their depth, causes before effects."""
        for root in sorted(self.roots, key=lambda each: each.place):
            yield from root.walk()

    @property
    def began(self) -> datetime:
        """When the first of it happened."""
        return min(step.at for _, step in self.walk())

    def plain(self) -> dict[str, Any]:
        """As JSON builtins; `after_ms` since the first step."""
        began = self.began
        return {
            "order": self.order_id,
            "status": self.status,
            "correlation_id": self.correlation_id,
            "began": began.isoformat(),
            "remarks": list(self.remarks),
            "steps": [
                {
                    "depth": depth,
                    "kind": step.kind.value,
                    "at": step.at.isoformat(),
                    "after_ms": round((step.at - began).total_seconds() * 1000),
                    "what": step.what,
                    "status": step.status,
                    **{
                        name: value.isoformat() if isinstance(value, datetime) else value
                        for name, value in step.detail.items()
                    },
                }
                for depth, step in self.walk()
            ],
        }

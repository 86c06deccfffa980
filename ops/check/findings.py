"""What a check says: invariants, what was found against them, and the result of a run."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from ops.check.cases import Case
from ops.check.titles import Title
from ops.check.view import View

LISTED_MAX = 20  # findings named an invariant; all are counted


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as promised: the id it is about, and what is wrong with it.

    `notice`: worth a look, but no promise is broken: it waits in a queue, or a dead letter explains it.
    """

    id: str
    detail: str
    notice: bool = False


def stuck(case: Case, view: View, groups: tuple[str, ...], detail: str, since: datetime | None) -> Finding:
    """Something that was to follow and has not: only a notice where a dead letter or a waiting message explains it.

    `since`: when it could have begun.
    """
    for group in groups:
        if group in case.failed:
            where = f"is in {group}.dead" if view.reads_dead(group) else f"failed in {group}"
            return Finding(case.id, f"{detail}; a message about it {where}", notice=True)
    for group in groups:
        if view.waits(group, (case.id,), since):
            return Finding(case.id, f"{detail}; messages wait for {group}", notice=True)
    return Finding(case.id, detail)


Survey: TypeAlias = Callable[[View], AsyncIterator[Finding]]


@dataclass(frozen=True, slots=True)
class Whole:
    """An invariant with queries of its own."""

    name: str
    promise: str
    survey: Survey
    needs_broker: bool = False


@dataclass(frozen=True, slots=True)
class EachOrder:
    """An invariant of one order and everything that is kept about it: a plain function."""

    name: str
    promise: str
    judge: Callable[[Case, View], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class EachTitle:
    """An invariant of one title's stock, ledger and catalogue entry: a plain function."""

    name: str
    promise: str
    judge: Callable[[Title], Iterable[Finding]]


Invariant: TypeAlias = Whole | EachOrder | EachTitle


@dataclass(slots=True)
class Result:
    """How one invariant fared. Lists are bounded, counts are not.

    `skipped` says why it could not be checked, `partly` what of it could not be looked at.
    """

    name: str
    promise: str
    violations: int = 0
    notices: int = 0
    listed: list[Finding] = field(default_factory=list)
    noticed: list[Finding] = field(default_factory=list)
    skipped: str | None = None
    partly: str | None = None

    @property
    def unseen(self) -> str | None:
        """What was not looked at, and why; None: nothing."""
        return self.skipped or self.partly

    def add(self, finding: Finding) -> None:
        """Counts a finding, and keeps the first ones."""
        if finding.notice:
            self.notices += 1
            kept = self.noticed
        else:
            self.violations += 1
            kept = self.listed
        if len(kept) < LISTED_MAX:
            kept.append(finding)


@dataclass(frozen=True, slots=True)
class Report:
    """One run: what was read when, how it fared. `remarks` say what could not be read consistently."""

    database: str
    at: datetime
    settle_s: float
    seconds: float
    counted: dict[str, int]
    results: tuple[Result, ...]
    remarks: tuple[str, ...]

    @property
    def violations(self) -> int:
        """How many promises were found broken, all invariants together."""
        return sum(result.violations for result in self.results)

    @property
    def unseen(self) -> tuple[str, ...]:
        """The invariants that were not looked at, or not at all of it."""
        return tuple(result.name for result in self.results if result.unseen)

    @property
    def holds(self) -> bool | None:
        """Whether every promise holds; None where none was found broken, and something could not be looked at."""
        if self.violations:
            return False
        return None if self.unseen else True

    def plain(self) -> dict[str, Any]:
        """As JSON builtins."""
        return {
            "database": self.database,
            "at": self.at.isoformat(),
            "settle_s": self.settle_s,
            "seconds": round(self.seconds, 3),
            "holds": self.holds,
            "unseen": list(self.unseen),
            "violations": self.violations,
            "counted": self.counted,
            "remarks": list(self.remarks),
            "invariants": [
                {
                    "name": result.name,
                    "promise": result.promise,
                    "violations": result.violations,
                    "notices": result.notices,
                    "skipped": result.skipped,
                    "partly": result.partly,
                    "listed": [{"id": each.id, "detail": each.detail} for each in result.listed],
                    "noticed": [{"id": each.id, "detail": each.detail} for each in result.noticed],
                }
                for result in self.results
            ],
        }

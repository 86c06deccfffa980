"""What is not to be seen in the outcomes as they stand: failures that were replayed, and what people did to letters.

A receipt that took the place of a failure says when that was and keeps what the letter told; who sent the letter round
again, or dropped it, stands in the audit. All of it is hung beneath the message that it is about.
"""

from collections.abc import Sequence
from datetime import datetime

from broker.dead import ATTEMPTS, ERROR, ORIGIN, REASON
from broker.letters.letter import plain, time_of
from broker.replays import HISTORY, history_of
from documents.audit import Deed
from ops.trace.found import Row
from ops.trace.steps import Kind, Step
from ops.trace.weaving import Weaving


class Past:
    """Failures and deeds, each hung once, however many tell of it."""

    def __init__(self, weaving: Weaving) -> None:
        self._weaving = weaving
        self._audit = {row["_id"]: row for row in weaving.found.audit}
        self._told: set[tuple[str, str, str]] = set()

    def hang(self) -> None:
        """All that receipts, letters and the audit tell."""
        for row, _ in self._weaving.receipts:
            if row.get("supersedes") is not None:
                message, group, at = row["message_id"], row["group"], row["supersedes"]
                kept = row.get("failures") or (f"{at.isoformat()} why is not kept",)
                self._failures(message, group, kept, at)
                self._replay(message, group, row["replay"], at)
        for letter in self._weaving.found.letters:
            at = letter.last_failed_at or self._weaving.found.order["placed_at"]
            self._failures(letter.message_id, letter.group.name, letter.history, at)
            if letter.replay is not None:
                self._replay(letter.message_id, letter.group.name, letter.replay, at)
        for row in self._audit.values():
            if row["deed"] == Deed.DROPPED.value:
                lines = history_of(row["headers"].get(HISTORY))
                self._failures(row["message_id"], row["group"], lines, row["at"])
                self._drop(row)

    def _failures(self, message_id: str, group: str, lines: Sequence[str], latest: datetime) -> None:
        """A step for each line; one that names no time was not after `latest`."""
        for line in lines:
            named, _, rest = line.partition(" ")
            at = time_of(named)
            detail = {"id": message_id, "failure": rest if at is not None else line}
            self._put(message_id, line, Step(Kind.FAILURE, at or latest, group, "failed", detail))

    def _replay(self, message_id: str, group: str, run: str, failed_at: datetime) -> None:
        entry = self._audit.get(run, {})
        detail = {
            "id": message_id,
            "run": run,
            "by": entry.get("by", ""),
            "why": entry.get("why", ""),
            "selection": plain(entry.get("selection", {})),
            "counts": entry.get("counts", {}),
        }
        at = entry.get("at", failed_at)
        self._put(message_id, run, Step(Kind.DEED, at, f"{group}.dead", Deed.REPLAYED.value, detail))

    def _drop(self, row: Row) -> None:
        headers = row["headers"]
        detail = {
            "id": row["message_id"],
            "by": row["by"],
            "why": row["why"],
            "reason": str(headers.get(REASON, "")),
            "error": str(headers.get(ERROR, "")),
            "origin": str(headers.get(ORIGIN, "")),
            "attempts": headers.get(ATTEMPTS, 0),
            "audit": row["_id"],
        }
        step = Step(Kind.DEED, row["at"], f"{row['group']}.dead", Deed.DROPPED.value, detail)
        self._put(row["message_id"], row["_id"], step)

    def _put(self, message_id: str, what: str, step: Step) -> None:
        if (message_id, step.what, what) not in self._told:
            self._told.add((message_id, step.what, what))
            self._weaving.put(step, self._weaving.messages.get(message_id))

"""The loom of a trace: what is woven already, and where the next step belongs."""

from datetime import datetime

from ops.trace.found import Found, Row
from ops.trace.steps import Kind, Step


class Weaving:
    """Steps of messages by id, and of receipts by group; `loose` are those whose receipt is gone."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.messages: dict[str, Step] = {}
        self.causes: dict[str, str | None] = {}
        self.receipts: list[tuple[Row, Step]] = []
        self.loose: list[Step] = []

    def message(
        self, id_: str, type_: str, at: datetime, cause: str | None, correlation_id: str, sender: str = ""
    ) -> Step:
        """The step of a message, the same for everyone who tells of it."""
        step = self.messages.get(id_)
        if step is None:
            detail = {"id": id_, "causation_id": cause, "correlation_id": correlation_id, "sender": sender}
            step = self.messages[id_] = Step(Kind.MESSAGE, at, type_, detail=detail)
            self.causes[id_] = cause
        return step

    def receipt_for(
        self, group: str, at: datetime, *, rev: int | None = None, about: str = ""
    ) -> Step | None:
        """The receipt that a change was written with: by its actor's rev, else the first of its group since."""
        rows = sorted(
            (
                row
                for row in self.receipts
                if row[0]["group"] == group and (not about or row[0]["type"] == about)
            ),
            key=lambda each: each[0]["at"],
        )
        for row, step in rows:
            if (row["rev"] == rev) if rev is not None else row["at"] >= at:
                return step
        return None

    def beneath(self, group: str, message_id: str, at: datetime) -> Step | None:
        """Where a change belongs that a message caused: beneath its receipt, or, where an earlier attempt made it or
        there is no receipt yet, beneath the message.
        """
        for row, step in self.receipts:
            if (row["group"], row["message_id"]) == (group, message_id) and at >= step.at:
                return step
        return self.messages.get(message_id)

    def put(self, step: Step, beneath: Step | None) -> None:
        """Files a step where it belongs; one whose receipt is gone stands by itself."""
        (beneath.follows if beneath is not None else self.loose).append(step)

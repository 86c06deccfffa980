"""Receipts: the inbox of every group and, for a command, the operation that its sender reads.

A receipt is written in the same transaction as the effect of its message and is unique by (group, message id).
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from beanie import Document
from pymongo import ASCENDING, IndexModel

RECEIPT_LIFETIME = timedelta(days=30)


class Outcome(StrEnum):
    """How a message ended; `pending` only while a second step of the same operation is under way."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    FAILED = "failed"


class Receipt(Document):
    """One processed message of one group. `id` is `<group>/<message id>`."""

    id: str  # type: ignore[assignment]
    group: str
    message_id: str
    type: str
    key: str
    status: Outcome
    sender: str = ""
    fingerprint: str = ""
    resource: str | None = None  # e.g. "carts/3f…": what the operation is about
    rev: int | None = None  # of the actor after the effect; of a failed one, when it failed (None: not known)
    result: dict[str, Any] | None = None  # a small note of the handler ("added", "unchanged", …)
    problem: dict[str, Any] | None = None  # {"code", "detail", …} of a rejection or failure
    operation: str | None = None  # id of the receipt whose operation this one is a step of
    handed_on: bool = False  # rejected, and a message that follows from it ends the operation
    correlation_id: str = ""
    causation_id: str | None = None
    attempts: int = 1
    replay: str | None = None  # the run in which this outcome took the place of a failure
    supersedes: datetime | None = None  # when that failure was
    failed_rev: int | None = None  # of the actor at that failure
    dropped: bool = False  # failed, and its dead letter was dropped: nothing sends it again
    failures: list[str] = []  # what that letter told of it and of those before, a line each, the latest last
    accepted_at: datetime
    at: datetime  # when it was processed; the database drops it RECEIPT_LIFETIME later

    class Settings:
        """Kept 30 days: older messages are dead-lettered `expired`, older operations answer 410."""

        name = "receipts"
        indexes = [
            IndexModel([("at", ASCENDING)], expireAfterSeconds=int(RECEIPT_LIFETIME.total_seconds())),
            IndexModel([("correlation_id", ASCENDING)]),
            # Only what is open: how old the oldest of them is says whether anything stands still.
            IndexModel(
                [("accepted_at", ASCENDING)], name="open", partialFilterExpression={"status": "pending"}
            ),
            # Only what was refused or failed: no document of an actor names those.
            IndexModel(
                [("key", ASCENDING)], name="refused", partialFilterExpression={"problem": {"$type": "object"}}
            ),
        ]


def receipt_id(group: str, message_id: str) -> str:
    """The key that makes a second delivery of one message to one group a duplicate key."""
    return f"{group}/{message_id}"

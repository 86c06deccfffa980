"""What people did to dead letters: who, when, what, why. Entries are never changed and never expire."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from beanie import Document
from pymongo import ASCENDING, DESCENDING, IndexModel


class Deed(StrEnum):
    """What was done."""

    DROPPED = "dropped"
    REPLAYED = "replayed"


class AuditEntry(Document):
    """One letter that was dropped, or one run of a replay.

    A drop keeps the whole letter: `headers` as they were and the `body` as bytes, so that it can be sent again by hand.
    Its id derives from the letter, so that a drop which is repeated after a crash leaves one entry. A replay keeps what
    was selected and what came of it; its id is the run's.
    """

    id: str  # type: ignore[assignment]
    deed: Deed
    by: str  # the sender's id, `user:…`
    at: datetime
    why: str = ""
    group: str | None = None
    message_id: str | None = None
    type: str | None = None
    headers: dict[str, Any] = {}
    body: bytes = b""
    selection: dict[str, Any] = {}
    counts: dict[str, int] = {}

    class Settings:
        """Read by time, and by message."""

        name = "audit"
        indexes = [
            IndexModel([("at", DESCENDING)]),
            IndexModel([("message_id", ASCENDING)], sparse=True),
        ]

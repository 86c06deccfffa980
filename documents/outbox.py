"""The outbox: messages that a transaction decided to send, until the broker has confirmed them."""

from datetime import datetime
from typing import Any

from beanie import Document
from pymongo import ASCENDING, IndexModel


class OutboxRow(Document):
    """One message on its way to the broker. `id` sorts by creation (UUIDv7).

    `lease_until` is the moment after which anyone may publish it: the worker that wrote it holds the first lease, so
    no row is ever left "in progress" by a crash.
    """

    id: str  # type: ignore[assignment]
    message_id: str
    type: str
    exchange: str
    routing_key: str
    body: bytes
    headers: dict[str, Any] = {}
    correlation_id: str = ""
    mandatory: bool = True
    reply_to: str | None = None
    created_at: datetime
    lease_until: datetime

    class Settings:
        """Found by their lease."""

        name = "outbox"
        indexes = [IndexModel([("lease_until", ASCENDING), ("_id", ASCENDING)])]

"""Notes on messages that may kill whoever takes them: written before each try, removed after it."""

from datetime import datetime, timedelta

from beanie import Document
from pymongo import ASCENDING, IndexModel

NOTE_LIFETIME = timedelta(days=1)


class Suspect(Document):
    """One message under suspicion; `id` is that of its receipt, `tries` counts those that nobody saw the end of."""

    id: str  # type: ignore[assignment]
    tries: int
    at: datetime

    class Settings:
        """A note that nobody removed goes by itself."""

        name = "suspects"
        indexes = [IndexModel([("at", ASCENDING)], expireAfterSeconds=int(NOTE_LIFETIME.total_seconds()))]

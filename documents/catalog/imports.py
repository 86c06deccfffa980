"""One run of an import: which file came in, and which of its rows could not be taken."""

from datetime import datetime, timedelta

from beanie import Document
from pydantic import BaseModel
from pymongo import ASCENDING, IndexModel

SKIPPED_KEPT_MAX = 20_000  # rows named one by one; keeps the document far below MongoDB's 16 MB
TEXT_LENGTH_MAX = 160  # characters of a skipped row that are kept
IMPORT_LIFETIME = timedelta(days=30)  # as long as the receipts that it is counted from


class SkippedRow(BaseModel):
    """A row that was not taken: its line (1 is the first of the file), why, and how it begins."""

    line: int
    reason: str
    text: str = ""


class Import(Document):
    """A file whose rows the broker has. `id` is also the correlation id of every command of the run.

    `rows` counts the commands, `skipped_count` the rows that gave none; `skipped` names up to `SKIPPED_KEPT_MAX` of
    them. What became of the commands stands in their receipts. `fingerprint` is a hash of the file and the options, by
    which the same Idempotency-Key with another file is told.
    """

    id: str  # type: ignore[assignment]
    filename: str
    sha256: str
    fingerprint: str
    format: str
    rows: int
    skipped_count: int
    skipped: list[SkippedRow] = []
    created_at: datetime
    by: str

    class Settings:
        """Kept as long as the receipts."""

        name = "imports"
        indexes = [
            IndexModel([("created_at", ASCENDING)], expireAfterSeconds=int(IMPORT_LIFETIME.total_seconds()))
        ]

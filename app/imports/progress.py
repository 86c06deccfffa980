"""How far an import is: counted from the receipts of its commands, which carry its id as their correlation id."""

from dataclasses import dataclass
from typing import Any

from documents.operations import Outcome, Receipt

PROBLEMS_MAX = 100

OF_ROWS = {"group": "catalog", "type": "PutBook"}


@dataclass(slots=True)
class Counts:
    """What became of the rows so far."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    failed: int = 0

    @property
    def done(self) -> int:
        """Rows that are through, one way or another."""
        return self.added + self.changed + self.unchanged + self.rejected + self.failed


async def counts(import_id: str) -> Counts:
    """What became of the rows of an import so far."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"correlation_id": import_id, **OF_ROWS}},
        {"$group": {"_id": {"status": "$status", "change": "$result.change"}, "n": {"$sum": 1}}},
    ]
    found = Counts()
    for each in await (await Receipt.get_pymongo_collection().aggregate(pipeline)).to_list():
        status = Outcome(each["_id"]["status"])
        name = each["_id"].get("change") if status is Outcome.SUCCEEDED else status.value
        if name in Counts.__dataclass_fields__:
            setattr(found, name, getattr(found, name) + each["n"])
    return found


async def problems(import_id: str) -> list[dict[str, Any]]:
    """The first `PROBLEMS_MAX` rows that were refused or failed, each with isbn, code and detail."""
    query = {
        "correlation_id": import_id,
        **OF_ROWS,
        "status": {"$in": [Outcome.REJECTED.value, Outcome.FAILED.value]},
    }
    found = (
        Receipt.get_pymongo_collection().find(query, {"key": 1, "problem": 1}).sort("_id").limit(PROBLEMS_MAX)
    )
    return [
        {
            "isbn": each["key"],
            "code": (each.get("problem") or {}).get("code", "operation_failed"),
            "detail": (each.get("problem") or {}).get("detail", ""),
        }
        async for each in found
    ]

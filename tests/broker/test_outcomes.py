"""Receipts as they are made up."""

from datetime import UTC, datetime
from typing import Any

from broker.outcomes import supersede
from broker.replays import Replay

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_what_takes_the_place_of_a_failure_keeps_what_its_letter_told() -> None:
    """The letter goes and the failed receipt is replaced: why it failed stands in the one that is there now."""
    receipt: dict[str, Any] = {}
    lines = ("… attempts spent …", "… handler raised …")
    supersede(receipt, {"at": AT, "rev": 3, "status": "failed"}, Replay("run", AT, history=lines))
    assert receipt == {"replay": "run", "supersedes": AT, "failed_rev": 3, "failures": list(lines)}

"""Superseding: whether a replay still meets its actor as the failure left it.

What a message meant when it failed may be wrong by now, so a replay onto an actor that has moved on is refused, unless
it is forced. Letters of one actor that are replayed together follow each other: the second one finds the actor where
the first one of the run put it, and that is no reason to refuse.
"""

from collections.abc import Mapping
from typing import Any

from broker.delivery import Delivery
from broker.outcomes import ReceiptRow, replayed_before
from documents.refusals import Superseded


def supersedes(delivery: Delivery, known: Mapping[str, Any]) -> bool:
    """Whether a delivery is the replay of the very failure that a receipt tells of."""
    return delivery.replay is not None and delivery.replay.may_supersede(known)


def moved_on(
    kind: str,
    delivery: Delivery,
    receipt: ReceiptRow,
    rev: int | None,
    *known: Mapping[str, ReceiptRow],
) -> Superseded | None:
    """The refusal for a replay whose actor stands at `rev` and has moved since the failure; None where it may go on.

    `known` are receipts, by id, among which the message is looked for that went before it in its run.
    """
    replay = delivery.replay
    failed_rev = receipt.get("failed_rev")
    if replay is None or replay.forced or failed_rev is None or rev is None or rev == failed_rev:
        return None
    before_id = replayed_before(delivery)
    before = next((each[before_id] for each in known if before_id is not None and before_id in each), None)
    if before is not None and before.get("replay") == replay.id:
        together = before.get("failed_rev") == failed_rev and before.get("rev") == rev
        if together:
            return None
    return Superseded(kind, delivery.envelope.key, rev)

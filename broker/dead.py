"""Dead letters: what cannot be processed stands in `<group>.dead` and says where it came from and why.

The letter leaves through the outbox, in the transaction that writes its receipt `failed`: there is no letter without a
receipt and no receipt without a letter. Its body is the original's, untouched as far as the database can keep it; its
headers are for people.
"""

from datetime import datetime
from typing import Any

from broker.delivery import Delivery
from broker.outbox import Row, raw_row

ORIGIN = "x-quire-origin-queue"
REASON = "x-quire-reason"
ERROR = "x-quire-error"
ATTEMPTS = "x-quire-attempts"
FIRST = "x-quire-first-failed-at"
LAST = "x-quire-last-failed-at"
ACTOR = "x-quire-actor"

BYTES = "x-quire-body-bytes"  # of the original, where the letter could not keep all of it

ERROR_LENGTH_MAX = 1000
LETTER_BYTES_MAX = 14 << 20  # MongoDB keeps 16 MB in a row; nothing of ours is larger than 1 MiB


def dead_letter(delivery: Delivery, at: datetime) -> Row:
    """The outbox row that puts a failed delivery into its group's dead-letter queue."""
    return raw_row(
        delivery.raw.body[:LETTER_BYTES_MAX],
        "",
        delivery.group.dead,
        message_id=delivery.envelope.id,
        type_=delivery.envelope.type,
        correlation_id=delivery.envelope.correlation_id,
        headers=dead_headers(delivery, at),
    )


def dead_headers(delivery: Delivery, at: datetime) -> dict[str, Any]:
    """What the management console shows of a dead letter."""
    error = delivery.failure
    text = f"{type(error).__name__}: {error}" if error is not None else "unknown"
    size = len(delivery.raw.body)
    cut = {BYTES: size} if size > LETTER_BYTES_MAX else {}
    past = delivery.replay.told if delivery.replay is not None else {}
    return {
        **cut,
        **past,
        ORIGIN: delivery.queue,
        REASON: delivery.reason,
        ERROR: text[:ERROR_LENGTH_MAX],
        ATTEMPTS: delivery.attempts + 1,
        FIRST: delivery.first_failed_at or at.isoformat(),
        LAST: at.isoformat(),
        ACTOR: f"{delivery.group.name}/{delivery.envelope.key}",
    }


def failure_problem(delivery: Delivery) -> dict[str, Any]:
    """What the sender of a failed command reads: no internals, but where it stands."""
    return {
        "code": "operation_failed",
        "detail": f"It could not be processed ({delivery.reason}) and waits in {delivery.group.dead} for our staff.",
        "reason": delivery.reason,
    }

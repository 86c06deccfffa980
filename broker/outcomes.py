"""What a message comes to: its receipt, and the rows of the messages that follow from it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from broker.dead import dead_letter, failure_problem
from broker.delivery import Delivery
from broker.groups import Effects, Follow
from broker.outbox import Row, follow_up, row_of
from broker.replays import Replay
from documents.actors import Actor
from documents.operations import RECEIPT_LIFETIME, Outcome, receipt_id
from documents.refusals import Refusal

ReceiptRow = dict[str, Any]


class TooOld(Exception):
    """A message older than receipts are kept: nobody can tell whether it was processed before."""


def refuse_expired(delivery: Delivery, now: datetime) -> None:
    """Fails a delivery whose receipt, if there was one, may be gone already."""
    accepted_at = delivery.envelope.accepted_at
    if delivery.replay is not None and delivery.replay.forced:
        return  # somebody looked, and says that it was not
    if delivery.failure is None and now - accepted_at > RECEIPT_LIFETIME:
        delivery.fail(
            "expired", TooOld(f"accepted at {accepted_at.isoformat()}, receipts are kept {RECEIPT_LIFETIME}")
        )


def blank_receipt(delivery: Delivery, now: datetime) -> ReceiptRow:
    """A receipt without its outcome, as MongoDB keeps it."""
    envelope = delivery.envelope
    return {
        "_id": key_of(delivery),
        "group": delivery.group.name,
        "message_id": envelope.id,
        "type": envelope.type,
        "key": envelope.key,
        "status": Outcome.PENDING.value,
        "sender": envelope.sender.id,
        "fingerprint": envelope.fingerprint,
        "resource": None,
        "result": None,
        "rev": None,
        "problem": None,
        "operation": envelope.operation,
        "correlation_id": envelope.correlation_id,
        "causation_id": envelope.causation_id,
        "attempts": delivery.attempts + 1,
        "accepted_at": envelope.accepted_at,
        "at": now,
    }


def supersede(receipt: ReceiptRow, failed: ReceiptRow, replay: Replay) -> None:
    """Lets a receipt take the place of the failed one; see `insert_receipts` for how it is guarded."""
    receipt["replay"] = replay.id
    receipt["supersedes"] = failed["at"]
    receipt["failed_rev"] = failed.get("rev")
    receipt["failures"] = list(replay.history)


def key_of(delivery: Delivery) -> str:
    """The receipt's id."""
    return receipt_id(delivery.group.name, delivery.envelope.id)


def replayed_before(delivery: Delivery) -> str | None:
    """The id of the receipt of the message that went before it in the same replay."""
    if delivery.replay is None or delivery.replay.after is None:
        return None
    return receipt_id(delivery.group.name, delivery.replay.after)


def succeed(receipt: ReceiptRow, effects: Effects, rev: int | None = None) -> None:
    """The handler decided; `pending` where a message that follows ends the operation."""
    receipt["status"] = (Outcome.PENDING if effects.pending else Outcome.SUCCEEDED).value
    receipt["resource"] = effects.resource
    receipt["result"] = effects.result
    receipt["rev"] = rev
    if effects.refusal is not None:
        reject(receipt, effects.refusal)
        if effects.hands_on:
            receipt["handed_on"] = True


def reject(receipt: ReceiptRow, refusal: Refusal) -> None:
    """A rule said no: an outcome like any other."""
    receipt["status"] = Outcome.REJECTED.value
    receipt["problem"] = {"code": refusal.code, "detail": refusal.message, **refusal.details}


def fail(receipt: ReceiptRow, delivery: Delivery, now: datetime) -> Row:
    """It could not be processed; returns the row of its dead letter, which leaves in the same transaction."""
    receipt["status"] = Outcome.FAILED.value
    receipt["problem"] = failure_problem(delivery)
    return dead_letter(delivery, now)


def follow_rows(delivery: Delivery, effects: Effects, *actors: Actor) -> list[Row]:
    """The messages that follow, each told the revision of the actor that it is about."""
    rows = []
    subjects = {actor.id: actor for actor in (*effects.created, *effects.saved, *actors)}
    for number, each in enumerate(effects.messages):
        follow = each if isinstance(each, Follow) else Follow(each)
        operation = reply_to = None
        if follow.finishes_operation:
            operation = delivery.envelope.operation or key_of(delivery)
            reply_to = delivery.raw.reply_to
        envelope = follow_up(
            delivery.envelope,
            follow.message,
            number,
            operation=operation,
            actor=subjects.get(follow.message.key),
        )
        rows.append(row_of(envelope, follow.message, reply_to=reply_to))
    return rows


def ends_operation(receipt: ReceiptRow) -> bool:
    """Whether the operation that a message belongs to, its own or an earlier one's, is over with it."""
    return receipt["status"] != Outcome.PENDING.value and not receipt.get("handed_on")


def operations_ended(receipts: Iterable[ReceiptRow]) -> list[ReceiptRow]:
    """The receipts that end another message's operation: later steps that leave nothing to a next one."""
    return [each for each in receipts if each["operation"] and ends_operation(each)]

"""Putting an order's trace together: messages by what caused them, and what each of them did beneath it.

A message is a step; beneath it stand its receipts, one a group, and beneath a receipt what changed with it: states,
stock, the gateway's books, mails; and the messages that followed. A receipt names its message's cause, and a change the
message that it was made for, so the tree is read off, not guessed.
"""

from typing import Any

from ops.trace.found import Found
from ops.trace.past import Past
from ops.trace.states import order_states, payment_states, shipment_states
from ops.trace.steps import Kind, Step, Trace
from ops.trace.weaving import Weaving


def weave(found: Found) -> Trace:
    """The trace of what was found."""
    weaving = Weaving(found)
    _receipts(weaving)
    _broker(weaving)
    Past(weaving).hang()
    order_states(weaving)
    shipment_states(weaving)
    payment_states(weaving)
    _effects(weaving)
    roots = list(weaving.loose)
    for id_, step in weaving.messages.items():
        cause = weaving.causes[id_]
        parent = weaving.messages.get(cause) if cause is not None else None
        (parent.follows if parent is not None else roots).append(step)
    return Trace(
        found.order["_id"], found.order["status"], found.correlation_id, tuple(roots), tuple(found.remarks)
    )


def _receipts(weaving: Weaving) -> None:
    for row in weaving.found.receipts:
        message = weaving.message(
            row["message_id"],
            row["type"],
            row["accepted_at"],
            row["causation_id"],
            row["correlation_id"],
            row["sender"],
        )
        detail: dict[str, Any] = {"group": row["group"], "attempts": row["attempts"], "receipt": row["_id"]}
        if row["rev"] is not None:
            detail["rev"] = row["rev"]
        if row.get("failed_rev") is not None:
            detail["failed_rev"] = row["failed_rev"]
        for name in ("problem", "result", "operation", "replay", "supersedes"):
            if row.get(name):
                detail[name] = row[name]
        step = Step(Kind.RECEIPT, row["at"], row["group"], row["status"], detail)
        message.follows.append(step)
        weaving.receipts.append((row, step))


def _broker(weaving: Weaving) -> None:
    """What is still on its way, and what is not going anywhere."""
    for row in weaving.found.outbox:
        dead = row["exchange"] == ""
        to = row["routing_key"] if dead else f"{row['exchange']} {row['routing_key']}"
        step = Step(
            Kind.OUTBOX, row["created_at"], row["type"], "to be sent", {"id": row["message_id"], "to": to}
        )
        weaving.put(step, weaving.messages.get(row["message_id"]))
    for queue, envelope in weaving.found.waiting:
        message = weaving.message(
            envelope.id,
            envelope.type,
            envelope.accepted_at,
            envelope.causation_id,
            envelope.correlation_id,
            envelope.sender.id,
        )
        message.follows.append(Step(Kind.WAITING, envelope.accepted_at, queue, "waits", {"id": envelope.id}))
    for letter in weaving.found.letters:
        at = letter.last_failed_at or letter.accepted_at or weaving.found.order["placed_at"]
        detail = {
            "id": letter.message_id,
            "letter": letter.id,
            "origin": letter.origin,
            "reason": letter.reason,
            "error": letter.error,
            "attempts": letter.attempts,
            "first_failed_at": letter.first_failed_at,
            "replay": letter.replay,
            "replays": letter.replays,
        }
        step = Step(Kind.DEAD, at, letter.group.dead, letter.reason, detail)
        message = weaving.messages.get(letter.message_id) or weaving.message(
            letter.message_id, letter.type, letter.accepted_at or at, None, letter.correlation_id
        )
        message.follows.append(step)


def _effects(weaving: Weaving) -> None:
    """Stock by the message that moved it, mails by their event."""
    found = weaving.found
    receipts = {
        row["message_id"]: step for row, step in weaving.receipts if row["group"] in ("carts", "orders")
    }
    for movement in found.movements:
        counts = {"on_hand": movement["on_hand"], "reserved": movement["reserved"]}
        step = Step(Kind.STOCK, movement["at"], movement["isbn"], movement["reason"], counts)
        weaving.put(step, receipts.get(movement["cause"]))
    for mail in found.notifications:
        with_receipt = weaving.receipt_for(
            "notifications", mail["sent_at"] or found.order["placed_at"], about=mail["event"]
        )
        at = (
            mail["sent_at"]
            or mail["lease_until"]
            or (with_receipt.at if with_receipt else found.order["placed_at"])
        )
        detail = {
            "subject": mail["subject"],
            "attempts": mail["attempts"],
            **({"reason": mail["reason"]} if mail["reason"] else {}),
        }
        weaving.put(Step(Kind.MAIL, at, mail["event"], mail["status"], detail), with_receipt)

"""Changes of order, parcel and payment, and the gateway's entries between an intent and its outcome.

A change of payment or parcel names the message that it was made for. One that was written before they did is placed by
time: beneath the first receipt of its group that was written at its moment or after it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from ops.trace.found import Row
from ops.trace.steps import Kind, Step
from ops.trace.weaving import Weaving

BEFORE = datetime.min.replace(tzinfo=UTC)
INTENDED_BY = {  # states of the payment that an entry of the gateway's answers
    "authorized": ("authorising",),
    "declined": ("authorising",),
    "captured": ("capturing",),
    "voided": ("voiding", "expired"),
    "refunded": ("refunding",),
}
ASKED_BY = {  # messages to payments, the usual one first: where the payment names none
    "authorized": ("OrderPlaced",),
    "declined": ("OrderPlaced",),
    "captured": ("OrderShipped",),
    "voided": ("OrderCancelled", "ExpireOrder"),
    "refunded": ("RefundRequested", "OrderCancelled"),
}


def order_states(weaving: Weaving) -> None:
    """The order's history, and the refund that was asked for: it counts as a change and is no state of its own."""
    order = weaving.found.order
    history = {change["rev"]: change for change in order["history"]}
    latest = order["placed_at"]
    for rev in range(1, order["rev"] + 1):
        change = history.get(rev)
        if change is None:
            _cancelling(weaving, rev, latest)
            continue
        latest = change["at"]
        # The order was made with the receipt of its cart's message; its own mailbox counts revs from then on.
        with_receipt = (
            weaving.receipt_for("orders", latest, rev=rev)
            if rev > 1
            else weaving.receipt_for("carts", latest, about="PlaceOrder")
        )
        weaving.put(_state("order", change), with_receipt)


def _cancelling(weaving: Weaving, rev: int, latest: datetime) -> None:
    asked = weaving.receipt_for("orders", latest, rev=rev, about="CancelOrder")
    detail = (
        {"rev": rev} if asked is not None else {"rev": rev, "time": "not kept: after the state before it"}
    )
    at = asked.at if asked is not None else latest
    weaving.put(Step(Kind.STATE, at, "order", "cancelling", detail), asked)


def shipment_states(weaving: Weaving) -> None:
    """The parcel's history."""
    if weaving.found.shipment is not None:
        _actor_states(weaving, "shipment", "shipments", weaving.found.shipment["history"])


def payment_states(weaving: Weaving) -> None:
    """The payment's history; each entry of the gateway's stands behind its intent and before its outcome."""
    found = weaving.found
    history = found.payment["history"] if found.payment is not None else ()
    states = _actor_states(weaving, "payment", "payments", history)
    for entry in found.charge["entries"] if found.charge is not None else ():
        detail = {"amount": entry["amount"], "currency": found.charge["currency"] if found.charge else ""}
        step = Step(Kind.CHARGE, entry["at"], "gateway", entry["entry"], detail)
        intents = INTENDED_BY.get(entry["entry"], ())
        intent = next(
            (state for state in states if state.status in intents and state.at <= entry["at"]), None
        )
        step.after = intent
        for state in states:
            if (
                intent is not None
                and state.status == entry["entry"]
                and state.detail["rev"] > intent.detail["rev"]
            ):
                state.after = step
        cause = intent.detail.get("cause") if intent is not None else None
        beneath = weaving.beneath("payments", cause, entry["at"]) if cause is not None else None
        weaving.put(step, beneath or _asker(weaving, entry["entry"]))


def _asker(weaving: Weaving, entry: str) -> Step | None:
    """The receipt of the first message that usually asks for such an entry."""
    asked = (weaving.receipt_for("payments", BEFORE, about=type_) for type_ in ASKED_BY.get(entry, ()))
    return next((receipt for receipt in asked if receipt is not None), None)


def _actor_states(weaving: Weaving, kind: str, group: str, history: Sequence[Row]) -> list[Step]:
    """The states of an actor whose group has no mailboxes, each behind the one before."""
    states: list[Step] = []
    for change in history:
        step = _state(kind, change)
        step.after = states[-1] if states else None
        cause = change.get("cause")
        beneath = (
            weaving.beneath(group, cause, change["at"])
            if cause is not None
            else weaving.receipt_for(group, change["at"])
        )
        weaving.put(step, beneath)
        states.append(step)
    return states


def _state(kind: str, change: Row) -> Step:
    detail = {"rev": change["rev"]}
    for name in ("reason", "cause"):
        if change.get(name):
            detail[name] = change[name]
    return Step(Kind.STATE, change["at"], kind, change["status"], detail)

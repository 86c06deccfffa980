"""The order of a trace where clocks say another one: races, attempts, and handlers that take their time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ops.trace.found import Found, Row
from ops.trace.weave import weave

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So long after the beginning."""
    return BEGAN + timedelta(seconds=seconds)


def receipt(group: str, type_: str, cause: str | None, accepted: float, done: float, **fields: Any) -> Row:
    """The receipt of a message whose id is its type's name."""
    return {
        "_id": f"{group}/{type_}",
        "group": group,
        "message_id": type_,
        "type": type_,
        "key": "o",
        "status": "succeeded",
        "sender": "guest",
        "rev": None,
        "problem": None,
        "result": None,
        "operation": None,
        "correlation_id": "c",
        "causation_id": cause,
        "attempts": 1,
        "accepted_at": at(accepted),
        "at": at(done),
        **fields,
    }


def change(rev: int, status: str, seconds: float, cause: str | None = None) -> Row:
    """A change of an actor's history, as it was written by this release, or without a cause by an earlier one."""
    row = {"rev": rev, "status": status, "at": at(seconds), "reason": None}
    return row if cause is None else {**row, "cause": cause}


def found(receipts: list[Row], *history: Row, order_rev: int = 1, entries: tuple[Row, ...] = ()) -> Found:
    """An order that was placed, with a payment."""
    placed = receipt("carts", "PlaceOrder", None, 0, 0)
    order = {
        "_id": "o",
        "rev": order_rev,
        "status": "placed",
        "placed_at": at(0),
        "history": [change(1, "placed", 0)],
    }
    charge = {"currency": "EUR", "entries": list(entries)} if entries else None
    return Found(
        order, placed=placed, receipts=[placed, *receipts], payment={"history": list(history)}, charge=charge
    )


def told(kept: Found) -> list[tuple[str, str, str, str]]:
    """Kind, what, status of each step, and the message that it stands beneath, top to bottom."""
    message: list[str] = []
    steps = []
    for depth, step in weave(kept).walk():
        if step.kind == "message":
            message[depth:] = [step.what]
        else:
            above = message[:depth][-1] if message[:depth] else ""
            steps.append((step.kind.value, step.what, step.status, above))
        message.extend([message[-1] if message else ""] * (depth + 1 - len(message)))
        del message[depth + 1 :]
    return steps


RACE = [
    receipt("payments", "OrderPlaced", "PlaceOrder", 0.1, 3.2, result={"changed": False}),
    receipt("orders", "CancelOrder", None, 0.2, 0.25),
    receipt("payments", "OrderCancelled", "CancelOrder", 0.3, 0.306),
]


def test_a_change_stands_beneath_the_message_that_it_was_made_for() -> None:
    """A slow authorisation is overtaken by a cancellation: its intent is not the cancellation's."""
    kept = found(
        RACE,
        change(1, "authorising", 0.133, "OrderPlaced"),
        change(2, "voiding", 0.306, "OrderCancelled"),
        change(3, "voided", 0.306, "OrderCancelled"),
    )
    states = [
        (status, above) for kind, what, status, above in told(kept) if (kind, what) == ("state", "payment")
    ]
    assert states == [
        ("authorising", "OrderPlaced"),
        ("voiding", "OrderCancelled"),
        ("voided", "OrderCancelled"),
    ]


def test_what_an_earlier_attempt_did_stands_before_the_receipt() -> None:
    """The receipt is of the last attempt; the intent was written by the first."""
    kept = found(RACE, change(1, "authorising", 0.133, "OrderPlaced"))
    mine = [(kind, what) for kind, what, _, above in told(kept) if above == "OrderPlaced"]
    assert mine == [("state", "payment"), ("receipt", "payments")]


def test_the_gateway_stands_between_intent_and_outcome() -> None:
    """Receipts and states have the time at which the handler began, the gateway's books the time of the entry."""
    kept = found(
        [receipt("payments", "OrderShipped", "PlaceOrder", 0.6, 0.682)],
        change(1, "capturing", 0.682, "OrderShipped"),
        change(2, "captured", 0.682, "OrderShipped"),
        entries=({"entry": "captured", "amount": 100, "at": at(0.712)},),
    )
    mine = [(kind, status) for kind, _, status, above in told(kept) if above == "OrderShipped"]
    assert mine == [
        ("receipt", "succeeded"),
        ("state", "capturing"),
        ("charge", "captured"),
        ("state", "captured"),
    ]


def test_an_entry_stands_beneath_the_message_that_intended_it() -> None:
    """A void may be an expiry's although the order was cancelled too."""
    kept = found(
        [
            receipt("payments", "ExpireOrder", None, 1, 1.1),
            receipt("payments", "OrderCancelled", "ExpireOrder", 2, 2.1),
        ],
        change(1, "expired", 1.1, "ExpireOrder"),
        entries=({"entry": "voided", "amount": 0, "at": at(1.2)},),
    )
    assert ("charge", "gateway", "voided", "ExpireOrder") in told(kept)


def test_changes_that_name_no_message_are_placed_by_time() -> None:
    """Written by an earlier release: beneath the first receipt of the group since."""
    kept = found([receipt("payments", "OrderPlaced", "PlaceOrder", 0.1, 0.2)], change(1, "authorising", 0.2))
    assert ("state", "payment", "authorising", "OrderPlaced") in told(kept)


def test_a_refund_that_was_asked_for_is_a_change() -> None:
    """It has a rev and no state of its own: `cancelling`, beneath the command; or after the state before it."""
    asked = [receipt("orders", "CancelOrder", None, 5, 5.1, rev=2)]
    assert ("state", "order", "cancelling", "CancelOrder") in told(found(asked, order_rev=2))
    assert ("state", "order", "cancelling", "") in told(found([], order_rev=2))

"""An order's case: the order and everything that is kept about it, side by side, one order at a time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from documents.operations import Outcome
from ops.check.view import Row, Side, View, merged


def _of(*fields: str) -> Row:
    return dict.fromkeys(fields, 1)


# Half of a check's time is reading: only what is judged is sent.
PATH = ("rev", "status", "history.rev", "history.status", "history.at")
SINCE: Row = {"since": {"$last": "$history.at"}}
LINES = ("lines.isbn", "lines.quantity")
ORDER = _of(*PATH, *LINES, "lines.unit_price", "currency", "subtotal", "shipping", "total") | _of(
    "due_at", "cancelling"
)
PAYMENT = _of(*PATH, "amount", "currency") | SINCE
SHIPMENT = _of(*PATH, *LINES, "recall") | SINCE
MOVEMENT = _of("order_id", "isbn", "on_hand", "reserved", "reason") | {"_id": 0}
NOTIFICATION = _of("order_id", "status", "lease_until", "reason")


def _noted(what: str, *wanted: Row) -> Row:
    """A list of what some receipts of an order note."""
    return {"$push": {"$cond": [{"$and": list(wanted)}, what, "$$REMOVE"]}}


def _is(group: str) -> Row:
    return {"$eq": ["$group", group]}


EFFECTIVE: Row = {"$in": ["$status", [Outcome.SUCCEEDED.value, Outcome.PENDING.value]]}

# One document an order, put together by the server: nine receipts an order are most of what there is to read.
RECEIPTS: list[Row] = [
    {
        "$match": {
            "group": {"$in": ["orders", "payments", "shipments", "notifications"]},
            "key": {"$gt": ""},  # what could not be read is about nothing
        }
    },
    {
        "$group": {
            "_id": "$key",
            "orders": _noted("$rev", _is("orders"), EFFECTIVE, {"$gt": ["$rev", 0]}),
            "payments": _noted("$at", _is("payments"), EFFECTIVE),
            "shipments": _noted(
                "$at", _is("shipments")
            ),  # a hand-over has the outcome that the order gave it
            "notifications": _noted("$type", _is("notifications"), EFFECTIVE),
            "failed": {
                "$push": {
                    "$cond": [
                        {"$eq": ["$status", Outcome.FAILED.value]},
                        {"group": "$group", "message_id": "$message_id", "at": "$at"},
                        "$$REMOVE",
                    ]
                }
            },
        }
    },
    {"$sort": {"_id": 1}},
]


@dataclass(frozen=True, slots=True)
class Received:
    """What an order's receipts tell: its revisions, the times of payment's and parcel's, and the events of mails."""

    orders: frozenset[int] = frozenset()
    payments: frozenset[datetime] = frozenset()
    shipments: frozenset[datetime] = frozenset()
    notifications: frozenset[str] = frozenset()


NOTHING = Received()


@dataclass(slots=True)
class Case:
    """What is kept under one order's id, as MongoDB has it. `failed` names the groups in whose dead letters a
    message about it stands: that explains what they have not done.
    """

    id: str
    order: Row | None = None
    payment: Row | None = None
    charge: Row | None = None
    shipment: Row | None = None
    movements: list[Row] = field(default_factory=list)
    notifications: list[Row] = field(default_factory=list)
    failed: frozenset[str] = frozenset()
    receipts: Received = NOTHING

    @property
    def status(self) -> str | None:
        """The order's state; None where there is no order."""
        return self.order["status"] if self.order is not None else None

    @property
    def since(self) -> datetime | None:
        """When the order entered its state."""
        history: list[Row] = self.order["history"] if self.order is not None else []
        return history[-1]["at"] if history else None


async def cases(view: View) -> AsyncIterator[Case]:
    """All cases by order id, in one pass over seven sorted streams; nothing is loaded whole."""
    streams = merged(
        Side(await view.ordered("orders", {}, ORDER, "_id"), "_id"),
        Side(await view.ordered("payments", {}, PAYMENT, "_id"), "_id"),
        Side(await view.charges(), "_id"),
        Side(await view.ordered("shipments", {}, SHIPMENT, "_id"), "_id"),
        Side(
            await view.ordered("movements", {"order_id": {"$type": "string"}}, MOVEMENT, "order_id"),
            "order_id",
        ),
        Side(await view.ordered("notifications", {}, NOTIFICATION, "order_id"), "order_id"),
        Side(await view.sums("receipts", RECEIPTS), "_id"),
    )
    async for key, (orders, payments, charges, shipments, movements, notifications, receipts) in streams:
        failures = receipts[0]["failed"] if receipts else []
        case = Case(
            id=key,
            order=orders[0] if orders else None,
            payment=payments[0] if payments else None,
            charge=charges[0] if charges else None,
            shipment=shipments[0] if shipments else None,
            movements=movements,
            notifications=notifications,
            failed=frozenset(
                each["group"]
                for each in failures
                if view.has_letter(each["group"], each["message_id"], each["at"])
            ),
            receipts=_received(receipts[0]) if receipts else NOTHING,
        )
        view.count("orders", len(orders))
        view.count("charges", len(charges))
        yield case


def _received(row: Row) -> Received:
    return Received(
        orders=frozenset(row["orders"]),
        payments=frozenset(row["payments"]),
        shipments=frozenset(row["shipments"]),
        notifications=frozenset(row["notifications"]),
    )

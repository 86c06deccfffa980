"""An order's case: the order and everything that is kept about it, side by side, one order at a time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from documents.operations import Outcome
from ops.check.view import Row, Side, View, merged

ORDER_FIELDS = (
    *(
        "rev",
        "status",
        "lines.isbn",
        "lines.quantity",
        "lines.unit_price",
        "currency",
        "subtotal",
        "shipping",
    ),
    *("tax", "total", "placed_at", "due_at", "cancelling", "history"),
)
PAYMENT_FIELDS = ("rev", "status", "amount", "currency", "history")
SHIPMENT_FIELDS = ("rev", "status", "lines.isbn", "lines.quantity", "recall", "history")
MOVEMENT_FIELDS = ("order_id", "isbn", "on_hand", "reserved", "reason")
NOTIFICATION_FIELDS = ("order_id", "status", "event", "lease_until", "reason")


@dataclass(frozen=True, slots=True)
class Case:
    """What is kept under one order's id, as MongoDB has it. `failed` names the groups that a message about it failed
    in: what they have not done is explained by a dead letter.
    """

    id: str
    order: Row | None = None
    payment: Row | None = None
    charge: Row | None = None
    shipment: Row | None = None
    movements: list[Row] = field(default_factory=list)
    notifications: list[Row] = field(default_factory=list)
    failed: frozenset[str] = frozenset()

    @property
    def status(self) -> str | None:
        """The order's state; None where there is no order."""
        return self.order["status"] if self.order is not None else None

    @property
    def since(self) -> datetime | None:
        """When the order entered its state."""
        return changed_at(self.order) if self.order is not None else None


def changed_at(actor: Row) -> datetime | None:
    """When a document with a history changed last."""
    history: list[dict[str, Any]] = actor["history"]
    return history[-1]["at"] if history else None


async def cases(view: View) -> AsyncIterator[Case]:
    """All cases by order id, in one pass over seven sorted streams; nothing is loaded whole."""
    failed = {"status": Outcome.FAILED.value}
    streams = merged(
        Side(view.find("orders", {}, ORDER_FIELDS, "_id"), "_id"),
        Side(view.find("payments", {}, PAYMENT_FIELDS, "_id"), "_id"),
        Side(view.charges({}, "_id"), "_id"),
        Side(view.find("shipments", {}, SHIPMENT_FIELDS, "_id"), "_id"),
        Side(
            view.find("movements", {"order_id": {"$type": "string"}}, MOVEMENT_FIELDS, "order_id"), "order_id"
        ),
        Side(view.find("notifications", {}, NOTIFICATION_FIELDS, "order_id"), "order_id"),
        Side(view.find("receipts", failed, ("key", "group"), "key"), "key"),
    )
    async for key, (orders, payments, charges, shipments, movements, notifications, failures) in streams:
        case = Case(
            id=key,
            order=orders[0] if orders else None,
            payment=payments[0] if payments else None,
            charge=charges[0] if charges else None,
            shipment=shipments[0] if shipments else None,
            movements=movements,
            notifications=notifications,
            failed=frozenset(each["group"] for each in failures),
        )
        view.count("orders", len(orders))
        view.count("charges", len(charges))
        yield case

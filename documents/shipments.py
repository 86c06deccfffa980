"""Shipments: the parcel of one order, and the table of its moves.

    preparing -> dispatched -> in_transit -> delivered
        |             +------------------------^
        +-> cancelled

Whether a parcel may leave is the order's decision, not the shipment's: a dispatch that the order refuses,
because it was cancelled meanwhile, leaves the shipment where the parcel is and marks it `recall`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import BaseModel
from pymongo import ASCENDING, IndexModel

from documents.actors import Actor, CausedChange, note_cause
from documents.refusals import MoveNotAllowed


class ShipmentStatus(StrEnum):
    """Where the parcel is."""

    PREPARING = "preparing"
    DISPATCHED = "dispatched"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


S = ShipmentStatus

MOVES: dict[ShipmentStatus, frozenset[ShipmentStatus]] = {
    S.PREPARING: frozenset({S.DISPATCHED, S.CANCELLED}),
    S.DISPATCHED: frozenset({S.IN_TRANSIT, S.DELIVERED}),
    S.IN_TRANSIT: frozenset({S.DELIVERED}),
    S.DELIVERED: frozenset(),
    S.CANCELLED: frozenset(),
}

LEFT = (S.DISPATCHED, S.IN_TRANSIT, S.DELIVERED)  # the house, in the order of the way


class ShipmentLine(BaseModel):
    """Copies of one title in the parcel."""

    isbn: str
    title: str
    quantity: int


class ShipmentChange(CausedChange):
    """One change of state, to `status`."""

    status: ShipmentStatus


class Shipment(Actor):
    """The parcel of one order; `id` is the order's id. Where it goes stands on the order.

    `recall`: the order was cancelled although the parcel had been handed over; somebody has to get it back.
    """

    kind: ClassVar[str] = "shipment"

    status: ShipmentStatus
    carrier: str | None = None
    tracking_number: str | None = None
    lines: list[ShipmentLine] = []
    recall: bool = False
    history: list[ShipmentChange] = []

    class Settings:
        """Listed by status for the packing bench; the few to be recalled have an index of their own."""

        name = "shipments"
        indexes = [
            IndexModel([("status", ASCENDING), ("_id", ASCENDING)]),
            IndexModel([("recall", ASCENDING)], partialFilterExpression={"recall": True}),
        ]

    @classmethod
    def prepare(cls, order_id: str, lines: list[ShipmentLine], at: datetime) -> Self:
        """The parcel of a confirmed order."""
        shipment = cls(id=order_id, status=S.PREPARING, lines=lines)
        shipment._enter(S.PREPARING, at, None)
        return shipment

    @classmethod
    def cancelled(cls, order_id: str, at: datetime, reason: str | None) -> Self:
        """Stands in the place of a parcel whose order was cancelled before it could be prepared."""
        shipment = cls(id=order_id, status=S.CANCELLED)
        shipment._enter(S.CANCELLED, at, reason)
        return shipment

    def can(self, target: ShipmentStatus) -> bool:
        """Whether the table of moves allows it from here."""
        return target in MOVES[self.status]

    def dispatch(self, carrier: str, tracking_number: str, at: datetime) -> bool:
        """Hands the parcel to a carrier; False where this very hand-over was known. Raises `MoveNotAllowed`."""
        known = (self.carrier, self.tracking_number) == (carrier, tracking_number)
        if known and self.status in LEFT and not self.recall:
            return False
        self._require(S.DISPATCHED)
        self.carrier, self.tracking_number = carrier, tracking_number
        self._enter(S.DISPATCHED, at, None)
        return True

    def report(self, status: ShipmentStatus, at: datetime) -> bool:
        """Takes in what a carrier says; False for what is known or has been overtaken. Raises `MoveNotAllowed`."""
        if status in LEFT and self.status in LEFT and LEFT.index(status) <= LEFT.index(self.status):
            return False
        self._require(status)
        self._enter(status, at, None)
        return True

    def cancel(self, at: datetime, reason: str | None) -> None:
        """The order was cancelled: nothing is sent any more, and what has left is to be recalled. A repeat is
        no change.
        """
        if self.status in LEFT:
            if not self.recall:
                self.recall = True
                self._enter(self.status, at, reason)
        elif self.status is not S.CANCELLED:
            self._enter(S.CANCELLED, at, reason)

    def _require(self, target: ShipmentStatus) -> None:
        if not self.can(target):
            raise MoveNotAllowed(self.kind, self.id, self.status, target)

    def _enter(self, status: ShipmentStatus, at: datetime, reason: str | None) -> None:
        self.touch()
        self.status = status
        self.history = [*self.history, ShipmentChange(rev=self.rev, status=status, at=at, reason=reason)]

    def caused_by(self, message_id: str) -> None:
        """See `Actor`."""
        note_cause(self.history, self.loaded_rev, message_id)

    def delta(self) -> dict[str, Any]:
        """What can change after a shipment was made."""
        return {
            "$set": {
                "rev": self.rev,
                "status": self.status.value,
                "carrier": self.carrier,
                "tracking_number": self.tracking_number,
                "recall": self.recall,
                "history": [change.model_dump() for change in self.history],
            }
        }

"""What is kept about one order, before it is put in order."""

from dataclasses import dataclass, field
from typing import Any

from broker.letters import Letter
from broker.messages import Envelope

Row = dict[str, Any]


@dataclass(slots=True)
class Found:
    """What is kept about one order, as MongoDB and the broker have it."""

    order: Row
    placed: Row | None = None  # the receipt of its PlaceOrder
    receipts: list[Row] = field(default_factory=list)
    payment: Row | None = None
    charge: Row | None = None
    shipment: Row | None = None
    movements: list[Row] = field(default_factory=list)
    notifications: list[Row] = field(default_factory=list)
    outbox: list[Row] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    waiting: list[tuple[str, Envelope]] = field(default_factory=list)
    audit: list[Row] = field(default_factory=list)  # without the letters' bodies
    remarks: list[str] = field(default_factory=list)

    @property
    def correlation_id(self) -> str:
        """The one that its PlaceOrder carried; empty where its receipt is gone."""
        return str(self.placed["correlation_id"]) if self.placed is not None else ""

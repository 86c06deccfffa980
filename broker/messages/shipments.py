"""Commands to shipments and what carriers report. A shipment's key is its order's id: one shipment an order."""

from datetime import datetime
from typing import ClassVar

from broker.messages.base import Command, Event


class DispatchShipment(Command, frozen=True, kw_only=True):
    """Staff hand a parcel to a carrier."""

    group: ClassVar[str] = "shipments"

    order_id: str
    carrier: str
    tracking_number: str

    @property
    def key(self) -> str:
        """The order."""
        return self.order_id


class RecordCarrierEvent(Command, frozen=True, kw_only=True):
    """A carrier reports where a parcel is: `in_transit` or `delivered`."""

    group: ClassVar[str] = "shipments"

    order_id: str
    status: str

    @property
    def key(self) -> str:
        """The order."""
        return self.order_id


class ShipmentEvent(Event, frozen=True, kw_only=True):
    """A fact about the parcel of one order."""

    order_id: str
    at: datetime

    @property
    def key(self) -> str:
        """The order."""
        return self.order_id


class ShipmentDispatched(ShipmentEvent, frozen=True, kw_only=True):
    """The carrier has the parcel."""

    carrier: str
    tracking_number: str


class ShipmentDelivered(ShipmentEvent, frozen=True, kw_only=True):
    """The parcel arrived."""

"""Shipments as staff read them. An order has one, under the order's id."""

from datetime import datetime

import msgspec

from documents.shipments import Shipment


class ShipmentChangeView(msgspec.Struct, kw_only=True):
    """One change of where a parcel is."""

    rev: int
    status: str
    at: datetime
    reason: str | None


class ShipmentView(msgspec.Struct, kw_only=True):
    """The parcel of an order: preparing, dispatched, in_transit, delivered or cancelled.

    `recall`: the order was cancelled although the parcel had left; somebody has to get it back.
    """

    id: str
    order_id: str
    rev: int
    status: str
    carrier: str | None
    tracking_number: str | None
    recall: bool
    history: list[ShipmentChangeView]


async def read_shipment(order_id: str) -> ShipmentView | None:
    """The parcel of an order as it now is."""
    raw = await Shipment.get_pymongo_collection().find_one({"_id": order_id})
    if raw is None:
        return None
    shipment = Shipment.loaded(raw)
    return ShipmentView(
        id=shipment.id,
        order_id=shipment.id,
        rev=shipment.rev,
        status=shipment.status.value,
        carrier=shipment.carrier,
        tracking_number=shipment.tracking_number,
        recall=shipment.recall,
        history=[
            ShipmentChangeView(rev=change.rev, status=change.status.value, at=change.at, reason=change.reason)
            for change in shipment.history
        ],
    )

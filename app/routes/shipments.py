"""Parcels, for staff: handed to a carrier, and what the carrier reports. A shipment's id is its order's."""

from typing import Annotated, Any, Literal

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from app.access import no_order
from app.commands import accept
from app.operations import OperationView
from app.problems import Problem
from app.reads.orders import find_order
from app.reads.shipments import ShipmentView, read_shipment
from app.routes.answers import CommandOperation, command, problems
from app.routes.inputs import Input, NewShipment
from app.security.capabilities import is_order_id
from app.security.guards import require_staff
from app.security.principal import somebody
from broker.messages import DispatchShipment, RecordCarrierEvent

AnyRequest = Request[Any, Any, Any]
ShipmentAnswer = Response[OperationView[ShipmentView]]


class CarrierEvent(Input, frozen=True, kw_only=True):
    """Where the carrier says that the parcel is."""

    status: Annotated[Literal["in_transit", "delivered"], Meta(description="in_transit or delivered")]


class Shipments(Controller):
    """Staff only."""

    path = "/"
    tags = ("shipments",)
    opt = {"access": "staff"}
    guards = (require_staff,)

    @post(
        "/orders/{order_id:str}/shipments",
        operation_id="dispatchShipment",
        status_code=202,
        operation_class=CommandOperation,
        summary="Hand the parcel to a carrier",
        responses=command(ShipmentView, 403),
    )
    async def dispatch(
        self, request: AnyRequest, order_id: FromPath[str], data: JSONBody[NewShipment]
    ) -> ShipmentAnswer:
        """The order becomes shipped, its payment is captured and its stock leaves."""
        if not is_order_id(order_id) or await find_order(order_id) is None:
            raise no_order(order_id)
        message = DispatchShipment(
            order_id=order_id, carrier=data.carrier.strip(), tracking_number=data.tracking_number.strip()
        )
        return await accept(
            request, message, sender=somebody(request).sender, resource=f"shipments/{order_id}"
        )

    @get(
        "/shipments/{shipment_id:str}",
        operation_id="getShipment",
        summary="Read a shipment",
        responses=problems(401, 403, 404),
    )
    async def read(self, shipment_id: FromPath[str]) -> ShipmentView:
        """Where the parcel is."""
        shipment = await read_shipment(shipment_id)
        if shipment is None:
            raise _no_shipment(shipment_id)
        return shipment

    @post(
        "/shipments/{shipment_id:str}/events",
        operation_id="recordCarrierEvent",
        status_code=202,
        operation_class=CommandOperation,
        summary="Record what the carrier reports",
        responses=command(ShipmentView, 403),
    )
    async def record(
        self, request: AnyRequest, shipment_id: FromPath[str], data: JSONBody[CarrierEvent]
    ) -> ShipmentAnswer:
        """`delivered` ends the order's journey."""
        if not is_order_id(shipment_id) or await read_shipment(shipment_id) is None:
            raise _no_shipment(shipment_id)
        message = RecordCarrierEvent(order_id=shipment_id, status=data.status)
        return await accept(
            request, message, sender=somebody(request).sender, resource=f"shipments/{shipment_id}"
        )


def _no_shipment(shipment_id: str) -> Problem:
    return Problem(404, "not_found", f"There is no shipment {shipment_id[:64]}")

"""The parcel of an order: prepared when it is confirmed, handed over by staff, followed until it arrives.

    OrderConfirmed      a shipment is prepared
    DispatchShipment    handed over -> ShipmentDispatched; the order's answer ends the operation
    RecordCarrierEvent  on its way, arrived -> ShipmentDelivered
    OrderCancelled      nothing is sent any more; what has left is marked for recall

Whether a parcel may leave is decided by the order alone: `ShipmentDispatched` carries the operation of
whoever dispatched it, and ends it rejected where the order was cancelled a moment before.
"""

from broker.groups import Effects, Follow, Transient, UnorderedGroup, WorkDesk
from broker.linger import PATIENCE_S
from broker.messages import (
    DispatchShipment,
    OrderCancelled,
    OrderConfirmed,
    RecordCarrierEvent,
    ShipmentDelivered,
    ShipmentDispatched,
)
from documents.orders import Order, OrderStatus
from documents.refusals import MoveNotAllowed, NotPermitted, UnknownActor
from documents.shipments import Shipment, ShipmentLine, ShipmentStatus

REPORTED = frozenset({ShipmentStatus.IN_TRANSIT, ShipmentStatus.DELIVERED})
UNDECIDED = frozenset({OrderStatus.PLACED, OrderStatus.CONFIRMED})


async def prepare(event: OrderConfirmed, desk: WorkDesk) -> Effects:
    """A parcel to pack, once; one that stands already (cancelled first, or dispatched at once) stays as it is."""
    if await desk.load(Shipment, event.order_id) is not None:
        return _unchanged(event.order_id)
    lines = [ShipmentLine(isbn=line.isbn, title=line.title, quantity=line.quantity) for line in event.lines]
    return _changed(Shipment.prepare(event.order_id, lines, desk.now))


async def cancel(event: OrderCancelled, desk: WorkDesk) -> Effects:
    """Nothing is sent any more. Where the confirmation may still be on its way, its place is taken."""
    shipment = await desk.load(Shipment, event.order_id)
    if shipment is None:
        if await _never_confirmed(event.order_id, desk):
            return _unchanged(event.order_id)
        return _changed(Shipment.cancelled(event.order_id, desk.now, event.reason))
    shipment.cancel(desk.now, event.reason)
    return _changed(shipment)


async def dispatch(command: DispatchShipment, desk: WorkDesk) -> Effects:
    """Hands the parcel over; the same hand-over again succeeds and tells nobody.

    The operation stays open until the order has taken `ShipmentDispatched` in. Raises `NotPermitted`,
    `UnknownActor`, and `MoveNotAllowed` for an order that is not to be sent.
    """
    _require_staff(desk, command.order_id)
    shipment = await desk.load(Shipment, command.order_id)
    order = await desk.load(Order, command.order_id)
    if shipment is None:
        shipment = _prepared_from(order, command.order_id, desk)
    elif order is not None and order.status is OrderStatus.CANCELLED:
        raise MoveNotAllowed(Order.kind, order.id, order.status, OrderStatus.SHIPPED)
    if not shipment.dispatch(command.carrier, command.tracking_number, desk.now):
        return _unchanged(shipment.id)
    event = ShipmentDispatched(
        order_id=shipment.id, at=desk.now, carrier=command.carrier, tracking_number=command.tracking_number
    )
    return Effects(
        resource=f"orders/{shipment.id}",
        messages=(Follow(event, finishes_operation=True),),
        saved=(shipment,),
        pending=True,
    )


async def record(command: RecordCarrierEvent, desk: WorkDesk) -> Effects:
    """Takes in where the parcel is; reports that come twice or late change nothing.

    Delivery waits until the order knows that the parcel left: its events may overtake each other. Raises
    `NotPermitted`, `UnknownActor`, and `MoveNotAllowed` for a parcel that never left or a report that is
    none.
    """
    _require_staff(desk, command.order_id)
    shipment = await desk.load(Shipment, command.order_id)
    if shipment is None:
        raise UnknownActor(Shipment.kind, command.order_id)
    if command.status not in REPORTED:
        raise MoveNotAllowed(Shipment.kind, shipment.id, shipment.status, command.status)
    status = ShipmentStatus(command.status)
    if not shipment.report(status, desk.now):
        return _unchanged(shipment.id)
    if status is not ShipmentStatus.DELIVERED or shipment.recall:
        return _changed(shipment)
    order = await desk.load(Order, shipment.id)
    if order is not None and order.status in UNDECIDED:
        raise Transient(f"order {order.id} was delivered before it knows that it was shipped")
    return _changed(shipment, ShipmentDelivered(order_id=shipment.id, at=desk.now))


async def _never_confirmed(order_id: str, desk: WorkDesk) -> bool:
    """Whether no `OrderConfirmed` can be on its way. The order was written before its events left, so its
    history knows.
    """
    order = await desk.load(Order, order_id)
    return order is not None and all(change.status is not OrderStatus.CONFIRMED for change in order.history)


def _prepared_from(order: Order | None, order_id: str, desk: WorkDesk) -> Shipment:
    """The parcel of an order whose confirmation has not arrived here: staff may be faster than the queue."""
    if order is None:
        raise UnknownActor(Shipment.kind, order_id)
    if order.status is not OrderStatus.CONFIRMED:
        raise MoveNotAllowed(Order.kind, order.id, order.status, OrderStatus.SHIPPED)
    lines = [ShipmentLine(isbn=line.isbn, title=line.title, quantity=line.quantity) for line in order.lines]
    return Shipment.prepare(order.id, lines, desk.now)


def _require_staff(desk: WorkDesk, order_id: str) -> None:
    sender = desk.envelope.sender
    if not (sender.is_staff or sender.is_system):
        raise NotPermitted(sender.id, Shipment.kind, order_id)


def _changed(shipment: Shipment, *events: ShipmentDelivered) -> Effects:
    saved = (shipment,) if shipment.changed else ()
    return Effects(resource=f"orders/{shipment.id}", messages=events, saved=saved)


def _unchanged(order_id: str) -> Effects:
    return Effects(resource=f"orders/{order_id}", result={"changed": False})


SHIPMENTS = UnorderedGroup(
    name="shipments",
    handlers={
        OrderConfirmed: prepare,
        OrderCancelled: cancel,
        DispatchShipment: dispatch,
        RecordCarrierEvent: record,
    },
    patience_s=PATIENCE_S,
)

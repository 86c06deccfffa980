"""What happens to an order after it was placed: the happy path first, then what undoes it.

    placed -> confirmed -> shipped -> delivered
      |           |           |           |
      +-----------+-> cancelled           +-> refunded

Every reaction absorbs a repeat and a late comer: the order's table of moves decides, not the order of arrival.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from broker.groups import Desk, Effects, OrderedGroup
from broker.messages import (
    CancelOrder,
    Message,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderedLine,
    OrderRefunded,
    OrderShipped,
    PaymentAuthorized,
    PaymentDeclined,
    PaymentExpired,
    PaymentRefunded,
    RefundRequested,
    ShipmentDelivered,
    ShipmentDispatched,
)
from documents.orders import CANCELLABLE, Order, OrderStatus
from documents.refusals import NotPermitted

AFTER_SHIPPING = frozenset({OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.REFUNDED})


def payment_authorized(order: Order, _event: PaymentAuthorized, desk: Desk) -> Effects:
    """Paid for: confirmed. One that was cancelled meanwhile tells payments again, which voids what was authorised."""
    if order.status is OrderStatus.CANCELLED:
        return _tell(order, OrderCancelled(**_facts(order), reason=order.history[-1].reason))
    if not order.can(OrderStatus.CONFIRMED):
        return _unchanged(order)
    order.move(OrderStatus.CONFIRMED, desk.now)
    return _tell(order, OrderConfirmed(**_facts(order), lines=_lines(order)))


def shipment_dispatched(order: Order, event: ShipmentDispatched, desk: Desk) -> Effects:
    """The parcel left: the stock leaves with it, and the payment is captured."""
    if order.status in AFTER_SHIPPING:
        return _unchanged(order)
    order.move(OrderStatus.SHIPPED, desk.now)
    order.carrier, order.tracking_number = event.carrier, event.tracking_number
    for line in order.lines:
        desk.stock[line.isbn].sell(line.quantity, desk.envelope.id, order.id)
    return _tell(
        order, OrderShipped(**_facts(order), carrier=event.carrier, tracking_number=event.tracking_number)
    )


def shipment_delivered(order: Order, _event: ShipmentDelivered, desk: Desk) -> Effects:
    """It arrived, maybe after its money was sent back."""
    if order.status in (OrderStatus.DELIVERED, OrderStatus.REFUNDED):
        return _unchanged(order)
    order.move(OrderStatus.DELIVERED, desk.now)
    return _tell(order, OrderDelivered(**_facts(order)))


def payment_declined(order: Order, event: PaymentDeclined, desk: Desk) -> Effects:
    """No money: cancelled, and the stock comes back."""
    return _cancel(order, f"payment declined: {event.reason}", desk)


def payment_expired(order: Order, _event: PaymentExpired, desk: Desk) -> Effects:
    """Not paid in time, and the gateway has said that it will not be."""
    return _cancel(order, "not paid in time", desk)


def cancel_order(order: Order, command: CancelOrder, desk: Desk) -> Effects:
    """Before shipping it is cancelled at once; after, the money is asked back."""
    sender = desk.sender
    mine = order.id in sender.holds or (order.owner is not None and order.owner == sender.user_id)
    if not (mine or sender.is_staff or sender.is_system):
        raise NotPermitted(sender.id, order.kind, order.id)
    order.require_cancellable()
    if order.status in CANCELLABLE:
        return _cancel(order, command.reason, desk)
    order.ask_refund(desk.envelope.id)
    return _tell(order, RefundRequested(**_facts(order), reason=command.reason))


def payment_refunded(order: Order, _event: PaymentRefunded, desk: Desk) -> Effects:
    """The money went back."""
    if order.status is OrderStatus.REFUNDED:
        return _unchanged(order)
    order.move(OrderStatus.REFUNDED, desk.now)
    order.cancelling = False
    return _tell(order, OrderRefunded(**_facts(order)))


def _cancel(order: Order, reason: str, desk: Desk) -> Effects:
    if order.status not in CANCELLABLE:
        return _unchanged(order)
    order.move(OrderStatus.CANCELLED, desk.now, reason)
    for line in order.lines:
        desk.stock[line.isbn].release(line.quantity, desk.envelope.id, order.id)
    return _tell(order, OrderCancelled(**_facts(order), reason=reason))


class Facts(TypedDict):
    """What every event of an order tells."""

    order_id: str
    status: str
    at: datetime
    email: str
    owner: str | None
    guest_token: str | None
    total: int
    currency: str


def _facts(order: Order) -> Facts:
    return {
        "order_id": order.id,
        "status": order.status.value,
        "at": order.history[-1].at,
        "email": order.email,
        "owner": order.owner,
        "guest_token": order.guest_token,
        "total": order.total,
        "currency": order.currency,
    }


def _lines(order: Order) -> tuple[OrderedLine, ...]:
    return tuple(
        OrderedLine(isbn=line.isbn, title=line.title, quantity=line.quantity, unit_price=line.unit_price)
        for line in order.lines
    )


def _tell(order: Order, event: Message) -> Effects:
    return Effects(resource=f"orders/{order.id}", messages=(event,))


def _unchanged(order: Order) -> Effects:
    return Effects(resource=f"orders/{order.id}")


MOVES_STOCK = frozenset[type[Message]]({PaymentDeclined, PaymentExpired, CancelOrder, ShipmentDispatched})


def titles(order: Order, message: Message) -> Iterable[str]:
    """The titles whose stock may move with the order."""
    return [line.isbn for line in order.lines] if type(message) in MOVES_STOCK else ()


ORDERS = OrderedGroup(
    name="orders",
    actor=Order,
    handlers={
        PaymentAuthorized: payment_authorized,
        ShipmentDispatched: shipment_dispatched,
        ShipmentDelivered: shipment_delivered,
        PaymentDeclined: payment_declined,
        PaymentExpired: payment_expired,
        CancelOrder: cancel_order,
        PaymentRefunded: payment_refunded,
    },
    fresh=lambda _key: None,
    titles=titles,
    stock_for=MOVES_STOCK,
)

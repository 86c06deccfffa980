"""The events of one order, as the orders group tells them."""

from typing import Any

from broker.messages import (
    ExpireOrder,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderedLine,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
    RefundRequested,
)
from tests.handlers.desks import NOW

ORDER = "order-1"
TOTAL = 2590
CARD = "tok_ok"
LINES = (
    OrderedLine(isbn="9786600000017", title="The Time Machine", quantity=2, unit_price=1100),
    OrderedLine(isbn="9786600000024", title="Emma & <Others>", quantity=1, unit_price=390),
)


def facts(status: str, email: str = "ada@example.org") -> dict[str, Any]:
    """What every event of an order says."""
    return {
        "order_id": ORDER,
        "status": status,
        "at": NOW,
        "email": email,
        "owner": None,
        "total": TOTAL,
        "currency": "EUR",
    }


def placed(token: str = CARD, email: str = "ada@example.org") -> OrderPlaced:
    """The order was placed."""
    return OrderPlaced(**facts("placed", email), payment_token=token, lines=LINES)


CONFIRMED = OrderConfirmed(**facts("confirmed"), lines=LINES)
CANCELLED = OrderCancelled(**facts("cancelled"), reason="cancelled by the customer")
SHIPPED = OrderShipped(**facts("shipped"), carrier="Pony Post", tracking_number="PP-1")
DELIVERED = OrderDelivered(**facts("delivered"))
REFUND = RefundRequested(**facts("delivered"), reason="came too late")
REFUNDED = OrderRefunded(**facts("refunded"))
EXPIRE = ExpireOrder(order_id=ORDER)

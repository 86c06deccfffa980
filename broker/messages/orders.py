"""Commands to orders, and what is told of them. Amounts are minor units of `currency`."""

from datetime import datetime
from typing import ClassVar

import msgspec

from broker.messages.base import Command, Event


class OrderCommand(Command, frozen=True, kw_only=True):
    """A command to one order."""

    group: ClassVar[str] = "orders"

    order_id: str

    @property
    def key(self) -> str:
        """The order."""
        return self.order_id


class CancelOrder(OrderCommand, frozen=True, kw_only=True):
    """Cancel before shipping; after, ask for a refund."""

    reason: str = "cancelled by the customer"


class OrderEvent(Event, frozen=True, kw_only=True):
    """A fact about one order; `status` is where it stands now, `at` since when; `guest_token` opens a guest's."""

    order_id: str
    status: str
    at: datetime
    email: str
    owner: str | None
    total: int
    currency: str
    reason: str | None = None
    guest_token: str | None = None

    @property
    def key(self) -> str:
        """The order."""
        return self.order_id


class OrderedLine(msgspec.Struct, frozen=True):
    """Copies of one title in an order; `unit_price` in minor units."""

    isbn: str
    title: str
    quantity: int
    unit_price: int


class OrderPlaced(OrderEvent, frozen=True, kw_only=True):
    """Stock is reserved; payment comes next."""

    payment_token: str
    lines: tuple[OrderedLine, ...]


class OrderConfirmed(OrderEvent, frozen=True, kw_only=True):
    """Paid for: authorised at the gateway."""

    lines: tuple[OrderedLine, ...]


class OrderCancelled(OrderEvent, frozen=True, kw_only=True):
    """Its stock is given back; whatever was authorised is to be voided."""


class OrderShipped(OrderEvent, frozen=True, kw_only=True):
    """On its way: the payment is to be captured."""

    carrier: str
    tracking_number: str


class OrderDelivered(OrderEvent, frozen=True, kw_only=True):
    """It arrived."""


class RefundRequested(OrderEvent, frozen=True, kw_only=True):
    """The money is to go back; the order is refunded once the gateway has said so."""


class OrderRefunded(OrderEvent, frozen=True, kw_only=True):
    """The money went back."""


ORDER_EVENTS: tuple[type[OrderEvent], ...] = (
    OrderPlaced,
    OrderConfirmed,
    OrderCancelled,
    OrderShipped,
    OrderDelivered,
    RefundRequested,
    OrderRefunded,
)

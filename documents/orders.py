"""Orders, and the table of their moves."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel
from pymongo import ASCENDING, DESCENDING, IndexModel

from documents.actors import Actor
from documents.refusals import CannotCancel, MoveNotAllowed

PAYMENT_DUE = timedelta(minutes=15)


class OrderStatus(StrEnum):
    """Where an order stands."""

    PLACED = "placed"
    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PLACED: frozenset({OrderStatus.CONFIRMED, OrderStatus.CANCELLED}),
    OrderStatus.CONFIRMED: frozenset({OrderStatus.SHIPPED, OrderStatus.CANCELLED}),
    OrderStatus.SHIPPED: frozenset({OrderStatus.DELIVERED, OrderStatus.REFUNDED}),
    OrderStatus.DELIVERED: frozenset({OrderStatus.REFUNDED}),
    OrderStatus.CANCELLED: frozenset(),
    OrderStatus.REFUNDED: frozenset(),
}

HOLDS_STOCK = frozenset({OrderStatus.PLACED, OrderStatus.CONFIRMED})
CANCELLABLE = HOLDS_STOCK
REFUNDABLE = frozenset({OrderStatus.SHIPPED, OrderStatus.DELIVERED})


class OrderLine(BaseModel):
    """Copies of one title at the catalogue's price of that moment, in minor units, VAT included."""

    isbn: str
    title: str
    quantity: int
    unit_price: int

    @property
    def total(self) -> int:
        """The line's price, in minor units."""
        return self.quantity * self.unit_price


class Address(BaseModel):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    name: str
    line1: str
    line2: str | None = None
    city: str
    postal_code: str
    country: str


class Change(BaseModel):
    """One change of state: what watchers of the order are told. `rev` is the event's id."""

    rev: int
    status: OrderStatus
    at: datetime
    reason: str | None = None


class Order(Actor):
    """A purchase. Amounts are minor units of `currency`, VAT included; `tax` is the part of `total` that is VAT."""

    kind: ClassVar[str] = "order"

    status: OrderStatus = OrderStatus.PLACED
    sender: str
    placed_by: str  # id of the PlaceOrder message
    owner: str | None = None  # user id; None for a guest
    guest_token: str | None = None  # opens a guest's order: signed by the edge, for the links in mails
    email: str
    cart_id: str
    lines: list[OrderLine]
    currency: str
    subtotal: int
    shipping: int
    tax: int
    total: int
    shipping_address: Address
    shipping_method: str
    payment_token: str
    placed_at: datetime
    due_at: datetime | None  # unpaid orders expire then; None once it is settled
    cancelling: bool = False  # a refund was asked for and is under way
    refund_asked_by: str | None = None  # id of the message that asked for it
    carrier: str | None = None
    tracking_number: str | None = None
    history: list[Change] = []

    class Settings:
        """One order a key of a sender; listed by owner, expired by due time."""

        name = "orders"
        indexes = [
            IndexModel([("sender", ASCENDING), ("placed_by", ASCENDING)], unique=True),
            IndexModel([("owner", ASCENDING), ("placed_at", DESCENDING), ("_id", DESCENDING)]),
            IndexModel([("placed_at", DESCENDING), ("_id", DESCENDING)]),
            IndexModel(
                [("due_at", ASCENDING), ("_id", ASCENDING)],
                partialFilterExpression={"due_at": {"$type": "date"}},
            ),
        ]

    def place(self, at: datetime) -> None:
        """Enters the first state."""
        self._enter(OrderStatus.PLACED, at, None)

    def can(self, target: OrderStatus) -> bool:
        """Whether the table of moves allows it from here."""
        return target in MOVES[self.status]

    def move(self, target: OrderStatus, at: datetime, reason: str | None = None) -> None:
        """Moves to another state. Raises `MoveNotAllowed`, and then nothing has changed."""
        if not self.can(target):
            raise MoveNotAllowed(self.kind, self.id, self.status, target)
        self.due_at = None
        self._enter(target, at, reason)

    def require_cancellable(self) -> None:
        """Raises `CannotCancel` where neither a cancellation nor a refund is left to do."""
        if self.cancelling or self.status not in CANCELLABLE | REFUNDABLE:
            raise CannotCancel(self.id, self.status)

    def ask_refund(self, message_id: str | None = None) -> None:
        """Notes that the money is on its way back, and for which message; the state follows when the gateway has
        said so.
        """
        self.require_cancellable()
        self.cancelling = True
        self.refund_asked_by = message_id
        self.touch()

    def _enter(self, status: OrderStatus, at: datetime, reason: str | None) -> None:
        self.touch()
        self.status = status
        self.history = [*self.history, Change(rev=self.rev, status=status, at=at, reason=reason)]

    def delta(self) -> dict[str, Any]:
        """What can change after an order was placed."""
        return {
            "$set": {
                "rev": self.rev,
                "status": self.status.value,
                "due_at": self.due_at,
                "cancelling": self.cancelling,
                "refund_asked_by": self.refund_asked_by,
                "carrier": self.carrier,
                "tracking_number": self.tracking_number,
                "history": [change.model_dump() for change in self.history],
            }
        }

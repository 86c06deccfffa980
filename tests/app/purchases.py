"""Orders as workers write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.security.capabilities import order_id_of
from documents.orders import Address, Order, OrderLine, OrderStatus
from tests.app.edges import HOME, ISBN

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def make_order(name: str = "a", *, owner: str | None = None, **fields: Any) -> Order:
    """A placed order of two copies of one title."""
    order: Order = Order(
        id=order_id_of(name),
        sender=f"user:{owner}" if owner else "guest:cart",
        placed_by=name,
        owner=owner,
        email="ada@example.com",
        cart_id="cart",
        lines=[OrderLine(isbn=ISBN, title="A book", quantity=2, unit_price=1299)],
        currency="EUR",
        subtotal=2598,
        shipping=390,
        tax=195,
        total=2988,
        shipping_address=Address(**HOME),
        shipping_method="standard",
        payment_token="tok_ok",
        placed_at=AT,
        due_at=AT + timedelta(minutes=15),
    ).model_copy(update=fields)
    order.place(order.placed_at)
    return order


async def store(order: Order) -> Order:
    """Writes it, whole."""
    raw = order.stored()
    await Order.get_pymongo_collection().replace_one({"_id": raw["_id"]}, raw, upsert=True)
    return order


async def move(order: Order, status: OrderStatus, reason: str | None = None) -> Order:
    """Moves it on and writes it."""
    order.move(status, order.placed_at + timedelta(minutes=order.rev), reason)
    return await store(order)

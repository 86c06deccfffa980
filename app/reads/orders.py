"""Orders as their owners, and staff, read them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from pymongo import DESCENDING

from app.cursors import Cursor, page_after
from app.edge import Edge
from app.reads.money import Money
from app.security.capabilities import order_token
from documents.orders import Change, Order


class OrderLineView(msgspec.Struct, kw_only=True):
    """Copies of one title, at the price of the moment in which the order was placed, VAT included."""

    isbn: str
    title: str
    quantity: int
    unit_price: Money
    total: Money


class OrderAddress(msgspec.Struct, kw_only=True):
    """Where it is sent; `country` is ISO 3166-1 alpha-2."""

    name: str
    line1: str
    line2: str | None
    city: str
    postal_code: str
    country: str


class ChangeView(msgspec.Struct, kw_only=True):
    """One change of state; `rev` is the order's after it, and the id of its event."""

    rev: int
    status: str
    at: datetime
    reason: str | None


class OrderView(msgspec.Struct, kw_only=True):
    """An order. Prices contain VAT; `tax` is the part of `total` that is VAT.

    `token` opens it as `Order-Token`; staff who are not its owner do not see it. `refund_pending`: the money is on its
    way back.
    """

    id: str
    rev: int
    status: str
    lines: list[OrderLineView]
    subtotal: Money
    shipping: Money
    tax: Money
    total: Money
    token: str | None
    placed_at: datetime
    email: str
    shipping_address: OrderAddress
    shipping_method: str
    carrier: str | None
    tracking_number: str | None
    refund_pending: bool
    history: list[ChangeView]


class OrderPage(msgspec.Struct, kw_only=True):
    """Orders, newest first; `next_cursor` is null on the last page."""

    items: list[OrderView]
    next_cursor: str | None


async def find_order(order_id: str) -> Order | None:
    """The order as the database has it."""
    raw = await Order.get_pymongo_collection().find_one({"_id": order_id})
    return Order.loaded(raw) if raw else None


async def find_changes(order_id: str) -> tuple[list[Change], bool] | None:
    """An order's changes of state, oldest first, and whether a refund is under way; None where there is no order."""
    raw = await Order.get_pymongo_collection().find_one({"_id": order_id}, {"history": 1, "cancelling": 1})
    if raw is None:
        return None
    return [Change.model_validate(change) for change in raw["history"]], bool(raw.get("cancelling"))


async def list_orders(
    edge: Edge, wanted: Mapping[str, Any], limit: int, cursor: Cursor | None, *, with_token: bool
) -> OrderPage:
    """One page of the orders that match, newest first."""
    after = {"$or": _after(cursor)} if cursor else {}
    found = (
        Order.get_pymongo_collection()
        .find({**wanted, **after})
        .sort([("placed_at", DESCENDING), ("_id", DESCENDING)])
        .limit(limit + 1)
    )
    orders = [Order.loaded(raw) async for raw in found]
    return OrderPage(
        items=[order_view(edge, order, with_token=with_token) for order in orders[:limit]],
        next_cursor=page_after(orders[limit - 1].placed_at, orders[limit - 1].id, wanted)
        if len(orders) > limit
        else None,
    )


def _after(cursor: Cursor) -> list[dict[str, Any]]:
    return [{"placed_at": {"$lt": cursor.at}}, {"placed_at": cursor.at, "_id": {"$lt": cursor.id}}]


def order_view(edge: Edge, order: Order, *, with_token: bool) -> OrderView:
    """An order as the contract shows it."""
    currency = order.currency
    address = order.shipping_address
    return OrderView(
        id=order.id,
        rev=order.rev,
        status=order.status.value,
        lines=[
            OrderLineView(
                isbn=line.isbn,
                title=line.title,
                quantity=line.quantity,
                unit_price=Money(line.unit_price, currency),
                total=Money(line.total, currency),
            )
            for line in order.lines
        ],
        subtotal=Money(order.subtotal, currency),
        shipping=Money(order.shipping, currency),
        tax=Money(order.tax, currency),
        total=Money(order.total, currency),
        token=order_token(edge.keyring, order.id) if with_token else None,
        placed_at=order.placed_at,
        email=order.email,
        shipping_address=OrderAddress(
            name=address.name,
            line1=address.line1,
            line2=address.line2,
            city=address.city,
            postal_code=address.postal_code,
            country=address.country,
        ),
        shipping_method=order.shipping_method,
        carrier=order.carrier,
        tracking_number=order.tracking_number,
        refund_pending=order.cancelling and not _over(order),
        history=[
            ChangeView(rev=change.rev, status=change.status.value, at=change.at, reason=change.reason)
            for change in order.history
        ],
    )


def _over(order: Order) -> bool:
    return order.status.value in ("cancelled", "refunded")

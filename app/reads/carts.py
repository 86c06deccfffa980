"""Carts as their owners read them."""

import msgspec

from app.edge import Edge
from app.problems import Problem
from app.reads.money import Money
from documents.carts import Cart, CartStatus
from documents.refusals import CartMerged


class CartLineView(msgspec.Struct, kw_only=True):
    """Copies of one title, at the price that it had when it was last put in."""

    isbn: str
    title: str
    quantity: int
    unit_price: Money
    total: Money


class CartView(msgspec.Struct, kw_only=True):
    """A cart; `rev` grows with every change, 0 is one that nothing was ever put in."""

    id: str
    rev: int
    lines: list[CartLineView]
    total: Money


async def find_cart(cart_id: str) -> Cart:
    """The cart as the database has it; one not yet written is empty."""
    raw = await Cart.get_pymongo_collection().find_one({"_id": cart_id})
    return Cart.loaded(raw) if raw else Cart(id=cart_id)


async def read_cart(edge: Edge, cart_id: str) -> CartView:
    """The cart as its owner sees it. Raises 410 `cart_merged` for one that was merged away."""
    cart = await find_cart(cart_id)
    if cart.status is CartStatus.MERGED:
        refusal = CartMerged(cart.id, cart.merged_into)
        raise Problem(410, refusal.code, refusal.message, **refusal.details)
    return cart_view(cart, edge.terms.currency)


def cart_view(cart: Cart, shop_currency: str) -> CartView:
    """A cart, with its money in its own currency or, empty, in the shop's."""
    currency = cart.currency or shop_currency
    return CartView(
        id=cart.id,
        rev=cart.rev,
        lines=[
            CartLineView(
                isbn=isbn,
                title=line.title,
                quantity=line.quantity,
                unit_price=Money(line.unit_price, currency),
                total=Money(line.quantity * line.unit_price, currency),
            )
            for isbn, line in cart.lines.items()
        ],
        total=Money(cart.total, currency),
    )

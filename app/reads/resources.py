"""What an operation's `result` shows: the resource that it is about, as it now is.

`READERS` is keyed by the first word of a resource's name ("carts/…"); a new domain is one line here.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import bson
from bson.codec_options import CodecOptions

from app.edge import Edge
from app.reads.carts import cart_view, find_cart
from app.reads.orders import find_order, order_view
from app.reads.shipments import read_shipment
from documents.carts import Cart, CartStatus
from documents.orders import Order

Reader = Callable[[Edge, str, str], Awaitable[Any]]
Shower = Callable[[Edge, bytes, str], Any]

CODEC: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


async def _cart(edge: Edge, key: str, _: str) -> Any:
    return _open_cart(edge, await find_cart(key))


def _open_cart(edge: Edge, cart: Cart) -> Any:
    """None for one that was merged away since: there is nothing to show."""
    return None if cart.status is CartStatus.MERGED else cart_view(cart, edge.terms.currency)


async def _order(edge: Edge, key: str, sender: str) -> Any:
    order = await find_order(key)
    return None if order is None else _order_for(edge, order, sender)


def _order_for(edge: Edge, order: Order, sender: str) -> Any:
    own = sender in (order.sender, f"user:{order.owner}") or sender.startswith("guest:")
    return order_view(edge, order, with_token=own)


async def _shipment(_: Edge, key: str, __: str) -> Any:
    return await read_shipment(key)


READERS: dict[str, Reader] = {"carts": _cart, "orders": _order, "shipments": _shipment}


# Of these a reply brings the document itself, as it was committed: one query less for whoever waits.
SHOWERS: dict[str, Shower] = {
    "carts": lambda edge, state, _: _open_cart(edge, Cart.loaded(bson.decode(state, CODEC))),
    "orders": lambda edge, state, sender: _order_for(edge, Order.loaded(bson.decode(state, CODEC)), sender),
}


async def read_resource(edge: Edge, resource: str, sender: str, state: bytes | None = None) -> Any:
    """The resource of that name, as its sender may see it; None for one that is not there or cannot be shown."""
    kind, _, key = resource.partition("/")
    if state is not None and kind in SHOWERS:
        return SHOWERS[kind](edge, state, sender)
    reader = READERS.get(kind)
    return await reader(edge, key, sender) if reader else None

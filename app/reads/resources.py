"""What an operation's `result` shows: the resource that it is about, as it now is.

`READERS` is keyed by the first word of a resource's name ("carts/…"); a new domain is one line here.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from app.edge import Edge
from app.problems import Problem
from app.reads.carts import read_cart
from app.reads.orders import find_order, order_view
from app.reads.shipments import read_shipment

Reader = Callable[[Edge, str, str], Awaitable[Any]]


async def _cart(edge: Edge, key: str, _: str) -> Any:
    try:
        return await read_cart(edge, key)
    except Problem:
        return None  # merged away since: there is nothing to show


async def _order(edge: Edge, key: str, sender: str) -> Any:
    order = await find_order(key)
    if order is None:
        return None
    own = sender in (order.sender, f"user:{order.owner}") or sender.startswith("guest:")
    return order_view(edge, order, with_token=own)


async def _shipment(_: Edge, key: str, __: str) -> Any:
    return await read_shipment(key)


READERS: dict[str, Reader] = {"carts": _cart, "orders": _order, "shipments": _shipment}


async def read_resource(edge: Edge, resource: str, sender: str) -> Any:
    """The resource of that name, as its sender may see it; None for one that is not there or cannot be shown."""
    kind, _, key = resource.partition("/")
    reader = READERS.get(kind)
    return await reader(edge, key, sender) if reader else None

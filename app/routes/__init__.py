"""Every route of the edge: those of the contract under /v1, and those round it."""

from typing import Any

from app.routes.accounts import ROUTES as ACCOUNTS
from app.routes.carts import Carts
from app.routes.catalog import ROUTES as CATALOG
from app.routes.dead import DeadLetters
from app.routes.health import asyncapi, live, problem, ready, scrape
from app.routes.operations import read_operation
from app.routes.orders import AdminOrders, Orders
from app.routes.shipments import Shipments
from app.routes.shop import ROUTES as SHOP

V1: tuple[Any, ...] = (
    *ACCOUNTS,
    *CATALOG,
    Carts,
    Orders,
    AdminOrders,
    DeadLetters,
    Shipments,
    read_operation,
)
"""Under /v1: the contract."""

ROUND_IT: tuple[Any, ...] = (live, ready, scrape, asyncapi, problem, *SHOP)
"""Outside /v1: for those who run and explore it, and the shop for people."""

ROUTES: tuple[Any, ...] = (*V1, *ROUND_IT)

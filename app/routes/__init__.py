"""Every route of the edge: those of the contract under /v1, and those round it."""

from typing import Any

from app.routes.accounts import ROUTES as ACCOUNTS
from app.routes.carts import Carts
from app.routes.catalog import ROUTES as CATALOG
from app.routes.dead import DeadLetters
from app.routes.health import asyncapi, index, live, problem, ready, scrape
from app.routes.operations import read_operation
from app.routes.orders import AdminOrders, Orders
from app.routes.shipments import Shipments

V1: tuple[Any, ...] = (*ACCOUNTS, *CATALOG, Carts, Orders, AdminOrders, DeadLetters, Shipments, read_operation)
"""Under /v1: the contract."""

ROUND_IT: tuple[Any, ...] = (index, live, ready, scrape, asyncapi, problem)
"""Outside /v1: for those who run and explore it."""

ROUTES: tuple[Any, ...] = (*V1, *ROUND_IT)

"""Unpaid orders expire: workers look for those that are due and have payments ask the gateway.

The command's id is `expire:<order>`, so however many workers look, and however often, it is processed once. An order
whose expiry has a receipt is left out: nothing that is sent under this id has an effect any more, and where it failed
its dead letter waits for a person.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import structlog

from broker.messages import SYSTEM, Envelope, ExpireOrder, pack
from broker.publish import BrokerUnavailable, OutcomeUnknown, Publisher, Unroutable
from broker.topology import route
from documents.actors import utc_now
from documents.operations import Receipt, receipt_id
from documents.orders import Order, OrderStatus

log = structlog.get_logger(__name__)

EXPIRE_EVERY_S = 15.0
DUE_MAX = 200
PROCESSED_BY = "payments"

Row = dict[str, Any]


class Expiring:
    """The look for due orders, at most `DUE_MAX` at a time.

    Each look goes on behind the last order that the one before has dealt with, and begins at the oldest again once it
    has come to the end: orders that stay due, for whatever reason, keep nobody behind them from being seen.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._behind: Row | None = None

    async def __call__(self) -> int:
        """Publishes ExpireOrder for orders that are due; returns for how many. Raises `PyMongoError`."""
        now = utc_now()
        page = await _page(now, self._behind)
        answered = await _answered(page)
        published = 0
        for order in page:
            if order["_id"] not in answered:
                try:
                    await self._publish(order["_id"], now)
                except (BrokerUnavailable, OutcomeUnknown, Unroutable) as error:
                    log.warning("expiry.later", order_id=order["_id"], error=str(error))
                    return published  # the next look begins with this one
                published += 1
            self._behind = order
        if len(page) < DUE_MAX:
            self._behind = None
        return published

    async def _publish(self, order_id: str, now: datetime) -> None:
        command = ExpireOrder(order_id=order_id)
        envelope = Envelope(
            id=expiry_of(order_id),
            type="ExpireOrder",
            version=command.version,
            key=command.key,
            sender=SYSTEM,
            accepted_at=now,
            correlation_id=expiry_of(order_id),
            data=pack(command),
        )
        await self._publisher.publish(envelope, *route(command))


def expiring(publisher: Publisher) -> Callable[[], Awaitable[int]]:
    """The periodic work; it keeps its place from one look to the next."""
    return Expiring(publisher)


def expiry_of(order_id: str) -> str:
    """The id of the message that asks for an order's expiry, which is its correlation id too."""
    return f"expire:{order_id}"


def due(now: datetime, behind: Row | None = None) -> Row:
    """The filter of orders that are due; of those behind another one in the order of (due_at, _id)."""
    # `$type`: without it the planner does not see that the partial index holds all of them.
    wanted: Row = {"due_at": {"$lt": now, "$type": "date"}, "status": OrderStatus.PLACED.value}
    if behind is not None:
        wanted["due_at"]["$gte"] = behind["due_at"]
        wanted["$or"] = [{"due_at": {"$gt": behind["due_at"]}}, {"_id": {"$gt": behind["_id"]}}]
    return wanted


async def _page(now: datetime, behind: Row | None) -> list[Row]:
    found = Order.get_pymongo_collection().find(due(now, behind), {"due_at": 1})
    return await found.sort([("due_at", 1), ("_id", 1)]).limit(DUE_MAX).to_list()


async def _answered(orders: list[Row]) -> set[str]:
    """The ids of those whose expiry was processed, whatever came of it."""
    receipts = {receipt_id(PROCESSED_BY, expiry_of(order["_id"])): order["_id"] for order in orders}
    found = Receipt.get_pymongo_collection().find({"_id": {"$in": list(receipts)}}, {"_id": 1})
    return {receipts[row["_id"]] async for row in found}

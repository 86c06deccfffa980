"""Unpaid orders expire: workers look for those that are due and have payments ask the gateway.

The command's id is `expire:<order>`, so however many workers look, and however often, it is processed once.
"""

from collections.abc import Awaitable, Callable

from broker.messages import SYSTEM, Envelope, ExpireOrder, pack
from broker.publish import BrokerUnavailable, OutcomeUnknown, Publisher
from broker.topology import route
from documents.actors import utc_now
from documents.orders import Order, OrderStatus

EXPIRE_EVERY_S = 15.0
DUE_MAX = 200


def expiring(publisher: Publisher) -> Callable[[], Awaitable[int]]:
    """The periodic work: publishes ExpireOrder for orders that are due; returns for how many."""

    async def expire_due() -> int:
        now = utc_now()
        due = {"due_at": {"$lt": now}, "status": OrderStatus.PLACED.value}
        published = 0
        async for order in (
            Order.get_pymongo_collection().find(due, {"_id": 1}).sort("due_at", 1).limit(DUE_MAX)
        ):
            command = ExpireOrder(order_id=order["_id"])
            envelope = Envelope(
                id=f"expire:{order['_id']}",
                type="ExpireOrder",
                version=command.version,
                key=command.key,
                sender=SYSTEM,
                accepted_at=now,
                correlation_id=f"expire:{order['_id']}",
                data=pack(command),
            )
            try:
                await publisher.publish(envelope, *route(command))
            except (BrokerUnavailable, OutcomeUnknown):
                break  # the next look finds them again
            published += 1
        return published

    return expire_due

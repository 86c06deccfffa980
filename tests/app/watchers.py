"""Watching an order over a real server, and the events that workers publish."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvicorn
from httpx import AsyncClient, Response

from app.application import Edge, create_app
from app.security.capabilities import order_token
from broker.messages import (
    SYSTEM,
    Envelope,
    Event,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    OrderRefunded,
    pack,
)
from broker.publish import Publisher
from broker.topology import route
from documents.orders import Order, OrderStatus
from tests.app.edges import until
from tests.app.purchases import AT


@asynccontextmanager
async def listening(edge: Edge) -> AsyncIterator[AsyncClient]:
    """The edge behind a real server on a free port, and a client of it."""
    config = uvicorn.Config(create_app(edge), host="127.0.0.1", port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started and edge.listener.ready)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield client
    finally:
        server.should_exit = True
        await task
        edge.accounts.close()


async def publish(publisher: Publisher, message: Event, rev: int | None, name: str) -> None:
    """An event as a worker publishes it."""
    envelope = Envelope(
        id=name,
        type=type(message).__name__,
        version=message.version,
        key=message.key,
        sender=SYSTEM,
        accepted_at=AT,
        correlation_id="c",
        rev=rev,
        data=pack(message),
    )
    await publisher.publish(envelope, *route(message))


def told(order: Order) -> OrderEvent:
    """The event of where the order now stands."""
    facts: dict[str, Any] = {
        "order_id": order.id,
        "status": order.status.value,
        "at": order.history[-1].at,
        "email": order.email,
        "owner": order.owner,
        "total": order.total,
        "currency": order.currency,
    }
    if order.status is OrderStatus.CONFIRMED:
        return OrderConfirmed(**facts, lines=())
    kinds = {OrderStatus.CANCELLED: OrderCancelled, OrderStatus.DELIVERED: OrderDelivered}
    return kinds.get(order.status, OrderRefunded)(**facts)


class Events:
    """What a watcher reads: events as (id, data), comments counted."""

    def __init__(self, response: Response) -> None:
        self.comments = 0
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[int, dict[str, Any]] | None:
        """The next event; None when the stream has ended."""
        found: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                found[name] = value
            elif "data" in found:
                return int(found["id"]), msgspec.json.decode(found["data"])
            else:
                found = {}
        return None

    async def statuses(self) -> list[tuple[int, str]]:
        """All that is left, until the stream ends."""
        found = []
        while (event := await self.next()) is not None:
            found.append((event[0], event[1]["status"]))
        return found


@asynccontextmanager
async def watching(
    web: AsyncClient, edge: Edge, order: Order, last: str | None = None
) -> AsyncIterator[Events]:
    """Watches an order with its token."""
    headers = {
        "Order-Token": order_token(edge.keyring, order.id),
        **({"Last-Event-ID": last} if last else {}),
    }
    async with web.stream("GET", f"/v1/orders/{order.id}/events", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Events(response)

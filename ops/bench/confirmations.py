"""How the generator learns that an order is confirmed.

    events   the broker's own event, on a queue of ours beside the edges': one delivery an order, none to the edge
    watch    as a shopper's browser does: server-sent events of that order, from its edge
    poll     reading the order until it is confirmed
    changes  the database's change stream of confirmed orders

All four are told after the commit. `watch` is the shopper's own way and is measured as a scenario; the others tell how
soon the order was confirmed without asking the edge for more work. What each costs stands in docs/performance.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aio_pika
import msgspec
from aio_pika.abc import AbstractIncomingMessage
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from broker.topology import EVENTS_EXCHANGE
from ops.bench.client import request
from ops.bench.figures import WentWrong
from ops.bench.shoppers import Order, Shopper
from ops.bench.stand import Stand

CONFIRMED_WITHIN_S = 60.0
POLL_EVERY_S = 0.02
WATCHED = ("OrderConfirmed", "OrderCancelled")
CONFIRMED = ("OrderConfirmed", "confirmed")


class Confirmations(Protocol):
    """Tells of confirmed orders."""

    async def confirmed(self, shopper: Shopper, order: Order) -> None:
        """Returns once the order is confirmed. Raises `WentWrong` where it ends otherwise or takes a minute."""


class Told:
    """Orders that somebody waits for, and what became of others before anybody asked."""

    def __init__(self) -> None:
        self._awaited: dict[str, asyncio.Future[str]] = {}
        self._early: dict[str, str] = {}

    def tell(self, order_id: str, became: str) -> None:
        """Notes what became of an order; what comes after that is no news."""
        waiting = self._awaited.pop(order_id, None)
        if waiting is None:
            self._early[order_id] = became
        elif not waiting.done():
            waiting.set_result(became)

    async def confirmed(self, shopper: Shopper, order: Order) -> None:  # noqa: ARG002 - the protocol's
        """See `Confirmations`."""
        became = self._early.pop(order.id, None)
        if became is None:
            waiting = self._awaited[order.id] = asyncio.get_running_loop().create_future()
            became = await _in_time(order, waiting)
        if became not in CONFIRMED:
            raise WentWrong(f"order {order.id}: {became}")


class _Event(msgspec.Struct):
    """The two fields of an envelope that matter here."""

    type: str
    key: str


class _Watching:
    """Server-sent events, a connection an order, as EventSource opens one."""

    async def confirmed(self, shopper: Shopper, order: Order) -> None:
        """See `Confirmations`."""
        headers = {"Order-Token": order.token, "Accept": "text/event-stream"}
        sent = request("GET", f"/v1/orders/{order.id}/events", headers)
        line = shopper.second_connection()
        seen = bytearray()

        def piece(body: bytes) -> bool:
            seen.extend(body)
            return b'"confirmed"' in seen or b'"cancelled"' in seen

        answer = await line.send(sent, piece)
        if answer.status != 200 or b'"confirmed"' not in seen:
            raise WentWrong(f"the events of order {order.id} said: {answer.status} {bytes(seen[-300:])!r}")


class _Polling:
    """Reads the order again and again."""

    async def confirmed(self, shopper: Shopper, order: Order) -> None:
        """See `Confirmations`."""

        async def read() -> str:
            return (await shopper.read_order(order)).status

        status: str = await AsyncRetrying(
            retry=retry_if_result(lambda status: status == "placed"),
            wait=wait_fixed(POLL_EVERY_S),
            stop=stop_after_delay(CONFIRMED_WITHIN_S),
        )(read)
        if status != "confirmed":
            raise WentWrong(f"order {order.id} is {status}")


async def _in_time(order: Order, waiting: asyncio.Future[str]) -> str:
    def late() -> None:
        if not waiting.done():
            waiting.set_exception(WentWrong(f"order {order.id} is still not confirmed"))

    timer = asyncio.get_running_loop().call_later(CONFIRMED_WITHIN_S, late)
    try:
        return await waiting
    finally:
        timer.cancel()


@asynccontextmanager
async def _events(on: Stand) -> AsyncIterator[Confirmations]:
    told = Told()
    connection = await aio_pika.connect(on.rabbitmq.url, client_properties={"connection_name": "quire bench"})
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        for kind in WATCHED:
            await queue.bind(EVENTS_EXCHANGE, f"{kind}.*")

        async def hear(message: AbstractIncomingMessage) -> None:
            event = msgspec.json.decode(message.body, type=_Event)
            told.tell(event.key, event.type)

        await queue.consume(hear, no_ack=True)
        yield told


@asynccontextmanager
async def _changes(on: Stand) -> AsyncIterator[Confirmations]:
    told = Told()
    pipeline: list[dict[str, Any]] = [
        {"$match": {"updateDescription.updatedFields.status": {"$exists": True}}},
        {"$project": {"status": "$updateDescription.updatedFields.status", "documentKey": 1}},
    ]
    async with await on.database.orders.watch(pipeline) as stream:

        async def hear() -> None:
            async for change in stream:
                told.tell(change["documentKey"]["_id"], change["status"])

        task = asyncio.create_task(hear())
        try:
            yield told
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _watching(on: Stand) -> AsyncIterator[Confirmations]:  # noqa: ARG001 - as the others
    yield _Watching()


@asynccontextmanager
async def _polling(on: Stand) -> AsyncIterator[Confirmations]:  # noqa: ARG001 - as the others
    yield _Polling()


WAYS: dict[str, Callable[[Stand], Any]] = {
    "events": _events,
    "watch": _watching,
    "poll": _polling,
    "changes": _changes,
}

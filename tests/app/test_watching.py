"""Watching an order over a real server: history, live events, resuming, and what happens when events are lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aio_pika import Message
from httpx import AsyncClient

from app.application import Edge
from app.security.capabilities import order_token
from app.watching import last_event_id, watch
from broker.connection import connect
from broker.embedded.server import EmbeddedServer
from broker.feeds import PENDING_MAX, Feeds, TooManyWatchers
from broker.messages import (
    BookChanged,
    RefundRequested,
)
from broker.publish import Publisher
from documents.orders import OrderStatus
from tests.app.edges import STAFF, make_edge, problem, until
from tests.app.purchases import AT, make_order, move, store
from tests.app.watchers import listening, publish, told, watching


@pytest.fixture
async def web(edge: Edge) -> AsyncIterator[AsyncClient]:
    """A client of the edge behind a real server."""
    async with listening(edge) as client:
        yield client


async def test_history_first(web: AsyncClient, edge: Edge) -> None:
    """A watcher who comes late reads every change from `placed` on, and the stream ends with a terminal state."""
    order = await move(
        await move(make_order(), OrderStatus.CONFIRMED), OrderStatus.CANCELLED, "changed my mind"
    )
    async with asyncio.timeout(10), watching(web, edge, order) as events:
        first = await events.next()
        assert first == (
            1,
            {
                "order_id": order.id,
                "rev": 1,
                "status": "placed",
                "at": "2026-11-02T09:30:00Z",
                "reason": None,
            },
        )
        assert await events.next() is not None
        last = await events.next()
        assert last is not None
        assert (last[0], last[1]["status"], last[1]["reason"]) == (3, "cancelled", "changed my mind")
        assert await events.next() is None
    await until(lambda: edge.feeds.watching == 0)


async def test_live(database: Any, broker: EmbeddedServer, publisher: Publisher) -> None:
    """A change that happens while somebody watches is told by its event, long before the next look."""
    edge = make_edge(broker, publisher, heartbeat_s=60)
    order = await store(make_order())
    async with asyncio.timeout(10), listening(edge) as web, watching(web, edge, order) as events:
        assert (await events.next() or [0])[0] == 1
        await move(order, OrderStatus.CONFIRMED)
        await publish(publisher, told(order), 2, "e2")
        await publish(publisher, told(order), 2, "e2 again")
        found = await events.next()
        assert found is not None
        assert (found[0], found[1]["status"]) == (2, "confirmed")
        await move(order, OrderStatus.CANCELLED)
        await publish(publisher, told(order), 3, "e3")
        assert [rev for rev, _ in await events.statuses()] == [3]


async def test_gap(database: Any, broker: EmbeddedServer, publisher: Publisher) -> None:
    """An event that follows a lost one makes the watcher read the order: nothing is missed, nothing told twice."""
    edge = make_edge(broker, publisher, heartbeat_s=60)
    order = await store(make_order())
    async with asyncio.timeout(10), listening(edge) as web, watching(web, edge, order) as events:
        assert (await events.next() or [0])[0] == 1
        await move(await move(order, OrderStatus.CONFIRMED), OrderStatus.CANCELLED)
        await publish(publisher, told(order), 3, "only the last")
        assert await events.statuses() == [(2, "confirmed"), (3, "cancelled")]


async def test_lost_event(web: AsyncClient, edge: Edge) -> None:
    """A change whose event never comes is found at the next look, and comments keep the connection awake."""
    order = await store(make_order())
    async with asyncio.timeout(10), watching(web, edge, order) as events:
        assert (await events.next() or [0])[0] == 1
        await move(order, OrderStatus.CONFIRMED)
        found = await events.next()
        assert found is not None
        assert found[1]["status"] == "confirmed"
        assert events.comments >= 2


async def test_refund(database: Any, broker: EmbeddedServer, publisher: Publisher) -> None:
    """A delivered order is at its end, but one whose refund is under way is watched until the money went back."""
    edge = make_edge(broker, publisher, heartbeat_s=60)
    order = make_order()
    for status in (OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED):
        order.move(status, AT)
    await store(order)
    async with asyncio.timeout(10), listening(edge) as web:
        async with watching(web, edge, order) as events:
            assert [rev for rev, _ in await events.statuses()] == [1, 2, 3, 4]
        async with watching(web, edge, order, "3") as events:
            assert await events.statuses() == [(4, "delivered")]
        order.ask_refund()
        await store(order)
        async with watching(web, edge, order, "4") as events:
            asked = RefundRequested(**msgspec.structs.asdict(told(order)))
            await publish(publisher, asked, 5, "asked")
            await move(order, OrderStatus.REFUNDED)
            await publish(publisher, told(order), 6, "refunded")
            assert await events.statuses() == [(6, "refunded")]


async def test_resume(web: AsyncClient, edge: Edge) -> None:
    """A client that comes back with Last-Event-ID reads what it has not seen; once it saw all, it is told to stop."""
    order = await move(await move(make_order(), OrderStatus.CONFIRMED), OrderStatus.CANCELLED)
    async with asyncio.timeout(10), watching(web, edge, order, "2") as events:
        assert await events.statuses() == [(3, "cancelled")]
    headers = {"Order-Token": order_token(edge.keyring, order.id), "Last-Event-ID": "3"}
    assert (await web.get(f"/v1/orders/{order.id}/events", headers=headers)).status_code == 204


async def test_who_watches(web: AsyncClient, edge: Edge) -> None:
    """Events open to the order's own credential: nobody is 401, another's token 404."""
    order, other = await store(make_order("a")), await store(make_order("b"))
    path = f"/v1/orders/{order.id}/events"
    problem(await web.get(path), 401, "unauthorized")
    foreign = {"Order-Token": order_token(edge.keyring, other.id)}
    problem(await web.get(path, headers=foreign), 404, "not_found")


async def test_head(web: AsyncClient, edge: Edge) -> None:
    """HEAD of a stream says what it is and ends: nobody is left watching."""
    order = await store(make_order())
    headers = {"Order-Token": order_token(edge.keyring, order.id)}
    async with asyncio.timeout(10):
        response = await web.head(f"/v1/orders/{order.id}/events", headers=headers)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        await until(lambda: edge.feeds.watching == 0)


@pytest.mark.parametrize("path", ["/v1/books", "/nowhere"])
async def test_a_connection_survives_head(web: AsyncClient, path: str) -> None:
    """No body comes, whatever Content-Length says, and the next request on the same connection is answered."""
    reader, writer = await asyncio.open_connection(web.base_url.host, web.base_url.port)
    async with asyncio.timeout(10):
        writer.write(f"HEAD {path} HTTP/1.1\r\nHost: quire.test\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: quire.test\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
    writer.close()
    assert b"content-length:" in head
    assert answer.startswith(b"HTTP/1.1 200"), answer


async def test_leaving(web: AsyncClient, edge: Edge) -> None:
    """A client that goes away frees its slot."""
    order = await store(make_order())
    async with asyncio.timeout(10):
        async with watching(web, edge, order) as events:
            assert await events.next() is not None
            assert edge.feeds.watching == 1
        await until(lambda: edge.feeds.watching == 0)


async def test_too_many(database: Any, broker: EmbeddedServer, publisher: Publisher) -> None:
    """Beyond the bound a watcher is a 503 with Retry-After; a slot that is freed can be had again."""
    edge = make_edge(broker, publisher, watchers_max=1, heartbeat_s=0.2)
    order = await store(make_order())
    headers = {"Order-Token": order_token(edge.keyring, order.id)}
    async with asyncio.timeout(10), listening(edge) as web:
        async with watching(web, edge, order) as events:
            assert await events.next() is not None
            response = await web.get(f"/v1/orders/{order.id}/events", headers=headers)
            problem(response, 503, "too_many_watchers")
            assert int(response.headers["retry-after"]) > 0
        await until(lambda: edge.feeds.watching == 0)
        async with watching(web, edge, order) as events:
            assert await events.next() is not None


async def test_stopping(database: Any, broker: EmbeddedServer, publisher: Publisher) -> None:
    """An edge that stops sends its watchers away at once: they come back to another one."""
    edge = make_edge(broker, publisher, heartbeat_s=60)
    order = await store(make_order())
    async with asyncio.timeout(10), listening(edge) as web, watching(web, edge, order) as events:
        assert await events.next() is not None
        edge.feeds.end()
        assert await events.next() is None


async def test_book_changes_reach_the_cache(edge: Edge, web: AsyncClient, publisher: Publisher) -> None:
    """The same ear hears book changes and has the cache forget the title."""
    dropped: list[str] = []

    async def forget(event: BookChanged) -> None:
        dropped.append(event.isbn)

    edge.feeds._on_book_changed = forget
    await publish(publisher, BookChanged(isbn="9780306406157"), None, "b1")
    await until(lambda: dropped == ["9780306406157"])


async def test_unreadable_event(
    edge: Edge, web: AsyncClient, broker: EmbeddedServer, publisher: Publisher
) -> None:
    """An event that cannot be read is passed over, and the next one is heard."""
    order = await store(make_order())
    connection = await connect(broker, name="broken")
    channel = await connection.channel()
    exchange = await channel.get_exchange("quire.events", ensure=False)
    await exchange.publish(Message(b"{"), "OrderConfirmed.0")
    await connection.close()
    with edge.feeds.watch(order.id) as watch:
        await publish(publisher, told(order), 1, "e1")
        news = await watch.next(10)
    assert news is not None
    assert news.rev == 1


async def test_slow_watcher() -> None:
    """A watcher who is behind loses events, knows it, and reads the order again."""
    feeds = Feeds("edge", watchers_max=1)
    with feeds.watch("o") as watch:
        for _ in range(PENDING_MAX):
            watch.tell(None)
        assert watch._news.full()
        watch.tell(None)
        assert watch._news.qsize() == 1
        with pytest.raises(TooManyWatchers), feeds.watch("p"):
            pass
    assert feeds.watching == 0
    assert feeds._watches == {}


async def test_a_change_between_the_read_and_the_subscription(
    edge: Edge, web: AsyncClient, publisher: Publisher
) -> None:
    """An event that passed after the order was read, and before its watcher subscribed, has it read again."""
    order = await store(make_order())
    mark = edge.feeds.mark()
    await move(order, OrderStatus.CONFIRMED)
    await publish(publisher, told(order), 2, "e2")
    await until(lambda: edge.feeds.mark() > mark)
    stale = make_order()
    events = watch(edge, stale, 0, mark)
    assert b'"confirmed"' in await anext(events)
    await events.aclose()


async def test_what_passed_lately_is_remembered(edge: Edge, web: AsyncClient, publisher: Publisher) -> None:
    """Another order's events say nothing; once more passed than is remembered, any order may have moved."""
    order = await store(make_order())
    mark = edge.feeds.mark()
    await publish(publisher, told(order), 1, "e1")
    await until(lambda: edge.feeds.mark() > mark)
    assert edge.feeds.moved_since(mark, order.id)
    assert not edge.feeds.moved_since(mark, "another")
    assert not edge.feeds.moved_since(edge.feeds.mark(), order.id)
    await edge.feeds._on_reopen()
    assert edge.feeds.moved_since(mark, "another")


@pytest.mark.parametrize(
    ("text", "rev"), [(None, 0), ("", 0), ("7", 7), ("-1", 0), ("x", 0), ("1" * 30, 0), ("²", 0)]
)
def test_last_event_id(text: str | None, rev: int) -> None:
    """A Last-Event-ID that no event of ours had counts as none."""
    assert last_event_id(text) == rev


async def test_staff_watch(web: AsyncClient, edge: Edge) -> None:
    """Staff may watch any order."""
    order = await move(make_order(), OrderStatus.CANCELLED)
    response = await web.get(f"/v1/orders/{order.id}/events", headers=STAFF)
    assert response.status_code == 200
    assert "cancelled" in response.text

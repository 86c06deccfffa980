"""What an edge process hears on its consuming connection: on the embedded broker and on a real RabbitMQ alike."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from broker.connection import Endpoint, connect
from broker.declare import apply
from broker.embedded.server import EmbeddedServer
from broker.feeds import Feeds
from broker.listening import Listener
from broker.messages import SYSTEM, BookChanged, Envelope, pack
from broker.publish import Publisher
from broker.replies import Replies, Reply
from broker.topology import route
from tests.app.edges import until
from tests.app.purchases import AT


@pytest.fixture
async def real(rabbitmq_url: str) -> str:
    """A RabbitMQ with the whole topology."""
    connection = await connect(rabbitmq_url, name="topology")
    await apply(connection)
    await connection.close()
    return rabbitmq_url


@pytest.fixture(params=["broker", "real"])
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """A broker of either kind."""
    found: Endpoint = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def speaker(endpoint: Endpoint) -> AsyncIterator[Publisher]:
    """Whoever is heard."""
    publisher = Publisher(endpoint, name="speaker")
    await publisher.start()
    yield publisher
    await publisher.close()


class Ears:
    """Both of them, and what they heard of books."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self.books: list[str] = []
        self.replies = Replies(name)
        self.feeds = Feeds(name, watchers_max=10, on_book_changed=self._on_book_changed)
        self.listener = Listener(endpoint, name=name, ears=(self.replies, self.feeds))

    async def _on_book_changed(self, event: BookChanged) -> None:
        self.books.append(event.isbn)


@pytest.fixture
async def ears(endpoint: Endpoint) -> AsyncIterator[Ears]:
    """An edge's ears, open."""
    ears = Ears(endpoint, "edge.one")
    ears.listener.start()
    await until(lambda: ears.listener.ready)
    yield ears
    await ears.listener.close()


def reply(message_id: str) -> Reply:
    """An answer as a worker gives it."""
    return Reply(
        group="carts", message_id=message_id, status="succeeded", fingerprint="f", resource="carts/c", rev=1
    )


async def answer(speaker: Publisher, ears: Ears, message_id: str) -> None:
    """Sends one."""
    await speaker.reply(ears.replies.queue, msgspec.msgpack.encode([reply(message_id)]))


async def change(speaker: Publisher, isbn: str) -> None:
    """A book changes."""
    message = BookChanged(isbn=isbn)
    fields: dict[str, Any] = {
        "sender": SYSTEM,
        "accepted_at": AT,
        "correlation_id": "c",
        "data": pack(message),
    }
    envelope = Envelope(id=isbn, type="BookChanged", version=1, key=isbn, **fields)
    await speaker.publish(envelope, *route(message))


async def test_replies(speaker: Publisher, ears: Ears) -> None:
    """Everybody who waits for a message hears its answer; one that nobody waits for is dropped."""
    first, second = ears.replies.expect("m1"), ears.replies.expect("m1")
    other = ears.replies.expect("m2")
    await answer(speaker, ears, "nobody's")
    await answer(speaker, ears, "m1")
    async with asyncio.timeout(10):
        assert await first == await second == reply("m1")
    assert not other.done()
    other.cancel()
    await until(lambda: len(ears.replies) == 0)


async def test_unreadable_reply(speaker: Publisher, ears: Ears) -> None:
    """An answer that cannot be read is passed over, and the next one is heard."""
    waiting = ears.replies.expect("m1")
    await speaker.reply(ears.replies.queue, b"{")
    await answer(speaker, ears, "m1")
    async with asyncio.timeout(10):
        assert await waiting == reply("m1")


async def test_every_edge_hears_events(endpoint: Endpoint, speaker: Publisher, ears: Ears) -> None:
    """Each edge process has a queue of its own: an event reaches all of them."""
    others = Ears(endpoint, "edge.two")
    others.listener.start()
    await until(lambda: others.listener.ready)
    await change(speaker, "9780306406157")
    await until(lambda: ears.books == others.books == ["9780306406157"])
    await others.listener.close()


async def test_queues_go_with_the_edge(endpoint: Endpoint, speaker: Publisher, ears: Ears) -> None:
    """What an edge declared for itself is gone when it is: nothing piles up for a process that ended."""
    queue = ears.replies.queue
    await ears.listener.close()
    assert not ears.listener.ready
    again = Ears(endpoint, "edge.one")
    again.listener.start()
    await until(lambda: again.listener.ready)
    assert again.replies.queue == queue
    await again.listener.close()


async def test_lost_connection(broker: EmbeddedServer) -> None:
    """After a lost connection both ears hear again, and watchers are told to read what they may have missed."""
    speaker = Publisher(broker, name="speaker")
    await speaker.start()
    ears = Ears(broker, "edge.one")
    ears.listener.start()
    await until(lambda: ears.listener.ready)
    with ears.feeds.watch("o1") as watch:
        transport = next(each for each in broker.transports if each.name == "edge.one.listener")
        await transport.drop("as a broker that restarts")
        async with asyncio.timeout(10):
            assert await watch.next(60) is None
    await until(lambda: ears.listener.ready)
    waiting = ears.replies.expect("m1")
    await answer(speaker, ears, "m1")
    await change(speaker, "9780306406157")
    async with asyncio.timeout(10):
        assert await waiting == reply("m1")
    await until(lambda: ears.books == ["9780306406157"])
    await ears.listener.close()
    await speaker.close()


async def test_broker_that_comes_later() -> None:
    """A broker that is not there yet is waited for in the background."""
    server = EmbeddedServer()
    ears = Ears(server, "edge.one")
    ears.listener.start()
    await asyncio.sleep(0)
    assert not ears.listener.ready
    await server.start()
    connection = await connect(server, name="topology")
    await apply(connection)
    await connection.close()
    await until(lambda: ears.listener.ready)
    await ears.listener.close()
    await server.stop()


async def test_a_broker_that_went_silent_meanwhile_is_tried_again(
    broker: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked of it is cancelled then, and nobody asked for that."""
    ears = Ears(broker, "edge.one")
    consume, broken = ears.replies.consume, [asyncio.CancelledError()]

    async def breaks_once(channel: Any) -> None:
        if broken:
            raise broken.pop()
        await consume(channel)

    monkeypatch.setattr(ears.replies, "consume", breaks_once)
    ears.listener.start()
    await until(lambda: ears.listener.ready)
    await ears.listener.close()


async def test_rabbitmq_drops_the_connection(real: str) -> None:
    """RabbitMQ may close the consuming connection at any time: the ears come back with the same queues."""
    speaker = Publisher(real, name="speaker")
    await speaker.start()
    ears = Ears(real, "edge.one")
    ears.listener.start()
    await until(lambda: ears.listener.ready)
    with ears.feeds.watch("o1") as watch:
        assert ears.listener._connection is not None
        transport = ears.listener._connection.transport
        assert transport is not None
        await transport.connection.close(ConnectionError("cut"))
        async with asyncio.timeout(20):
            assert await watch.next(60) is None
    await until(lambda: ears.listener.ready)
    waiting = ears.replies.expect("m1")
    await answer(speaker, ears, "m1")
    async with asyncio.timeout(10):
        assert await waiting == reply("m1")
    await ears.listener.close()
    await speaker.close()

"""The two brokers under test, and small tools to look at them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aio_pika import Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue, AbstractRobustConnection

from broker.connection import Endpoint, connect
from broker.embedded import EmbeddedServer, MemoryJournal
from ops.servers import RabbitMQ

PATIENCE_S = 20
QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}


class Side(Protocol):
    """A broker that the suite runs against."""

    @property
    def endpoint(self) -> Endpoint:
        """What to connect to."""

    async def start(self) -> None:
        """Bring it up."""

    async def stop(self) -> None:
        """Take down what this test brought up."""

    async def restart(self) -> None:
        """Down and up again, with what it keeps on disk."""


class EmbeddedSide:
    """The broker in this process, on a journal in memory."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.server = EmbeddedServer(self.journal)

    @property
    def endpoint(self) -> Endpoint:
        """The server of the moment."""
        return self.server

    async def start(self) -> None:
        """Read the journal."""
        await self.server.start()

    async def stop(self) -> None:
        """Stop the server."""
        await self.server.stop()

    async def restart(self) -> None:
        """Leave the journal to a new server."""
        await self.server.stop()
        self.server = EmbeddedServer(self.journal)
        await self.server.start()


class RabbitSide:
    """A virtual host of a real RabbitMQ node."""

    def __init__(self, node: RabbitMQ, url: str) -> None:
        self.node = node
        self.endpoint: Endpoint = url

    async def start(self) -> None:
        """It runs already: the fixture shares it."""

    async def stop(self) -> None:
        """The fixture drops the virtual host."""

    async def restart(self) -> None:
        """Stop the node and start it again."""
        await self.node.restart()


class Client:
    """Connections of one test, closed with it."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._connections: list[AbstractRobustConnection] = []

    async def connect(self, name: str = "conformance") -> AbstractRobustConnection:
        """A connection of its own."""
        connection = await connect(self.side.endpoint, name=name)
        self._connections.append(connection)
        return connection

    async def channel(self, prefetch: int = 0, *, returns: bool = True) -> AbstractChannel:
        """A channel on a connection of its own: confirms, and a returned message raises."""
        channel = await (await self.connect()).channel(on_return_raises=returns)
        if prefetch:
            await channel.set_qos(prefetch_count=prefetch)
        return channel

    async def close(self) -> None:
        """Close every connection."""
        while self._connections:
            await self._connections.pop().close()


class Inbox:
    """A consumer that keeps what it gets, unacked, in the order of its calls."""

    def __init__(self) -> None:
        self.messages: list[AbstractIncomingMessage] = []

    async def __call__(self, message: AbstractIncomingMessage) -> None:
        """Take one delivery."""
        self.messages.append(message)

    @property
    def bodies(self) -> list[str]:
        """What came, as text."""
        return [message.body.decode() for message in self.messages]

    async def holds(self, count: int) -> list[AbstractIncomingMessage]:
        """The first `count` deliveries, once they are there."""

        async def there() -> bool:
            return len(self.messages) >= count

        await eventually(there, lambda: f"{count} deliveries, so far {self.bodies}")
        return self.messages[:count]


async def eventually(holds: Callable[[], Awaitable[bool]], what: Callable[[], str]) -> None:
    """Wait until `holds()`; fails after PATIENCE_S and says `what()` was waited for."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not await holds():
        assert asyncio.get_running_loop().time() < deadline, f"not within {PATIENCE_S} s: {what()}"
        await asyncio.sleep(0.02)


async def send(
    channel: AbstractChannel, key: str, *bodies: str, exchange: str = "", **properties: Any
) -> None:
    """Publish persistent messages one after the other, each confirmed."""
    to = channel.default_exchange if not exchange else await channel.get_exchange(exchange, ensure=False)
    for body in bodies:
        await to.publish(Message(body.encode(), delivery_mode=2, **properties), key)


async def ready(channel: AbstractChannel, queue: str) -> int:
    """How many messages of a queue wait. Asks the broker: aio-pika answers a second declaration by itself."""
    found = await (await channel.get_underlay_channel()).queue_declare(queue, passive=True)
    return found.message_count or 0


async def holds_ready(channel: AbstractChannel, queue: str, count: int) -> None:
    """Wait until exactly `count` messages wait in a queue."""
    seen: list[int] = []

    async def counted() -> bool:
        seen.append(await ready(channel, queue))
        return seen[-1] == count

    await eventually(counted, lambda: f"{count} ready in {queue}, seen {seen[-3:]}")


async def drain(queue: AbstractQueue, count: int) -> list[str]:
    """Get and ack `count` messages; their bodies."""
    bodies: list[str] = []

    async def got() -> bool:
        message = await queue.get(fail=False)
        if message is not None:
            bodies.append(message.body.decode())
            await message.ack()
        return len(bodies) == count

    await eventually(got, lambda: f"{count} messages from {queue.name}, so far {bodies}")
    return bodies

"""A small shop for tests of the heart: one broker, one database, workers that come and go."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiormq
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustConnection
from pymongo import MongoClient
from pymongo.asynchronous.database import AsyncDatabase

from broker.connection import Endpoint, connect
from broker.groups import Effects, OrderedGroup, UnorderedGroup
from broker.messages import SYSTEM, AddItem, Envelope, Message, PlaceOrder, PostalAddress, Sender, pack
from broker.publish import Publisher
from broker.runtime import Runtime
from broker.topology import RetryTier, queues, route
from documents.accounts import cart_of
from documents.actors import utc_now
from documents.terms import Terms
from handlers.carts import CARTS
from handlers.catalog import CATALOG
from handlers.orders import ORDERS

PATIENCE_S = 15.0
TIERS = (RetryTier("1s", 0.1), RetryTier("10s", 0.2))  # the names of the real ones, waiting less
ADDRESS = PostalAddress(name="n", line1="l", city="c", postal_code="p", country="DE")
ISBN = "9786600000004"

Database = AsyncDatabase[dict[str, Any]]
Group = OrderedGroup | UnorderedGroup


async def nothing(_message: Any, _desk: Any) -> Effects:
    """A handler of an unordered group that is content."""
    return Effects()


class Anything(dict[Any, Any]):
    """A table in which every message has the same handler."""

    def __init__(self, handler: Callable[[Any, Any], Awaitable[Effects]]) -> None:
        super().__init__()
        self.handler = handler

    def get(self, _key: Any, _default: Any = None) -> Any:
        """The handler."""
        return self.handler


def unordered(
    name: str, handler: Callable[[Any, Any], Awaitable[Effects]] = nothing, **options: Any
) -> UnorderedGroup:
    """A group that sends everything to one handler."""
    return UnorderedGroup(name, Anything(handler), **options)


SHOP: tuple[Group, ...] = (CARTS, ORDERS, CATALOG)
ALL: tuple[Group, ...] = (*SHOP, unordered("payments"), unordered("shipments"), unordered("notifications"))


async def until(holds: Callable[[], Awaitable[Any]], what: str, patience_s: float = PATIENCE_S) -> Any:
    """What `holds()` gives as soon as it is truthy; fails after `patience_s` and says what was waited for."""
    deadline = asyncio.get_running_loop().time() + patience_s
    while not (found := await holds()):
        assert asyncio.get_running_loop().time() < deadline, f"not within {patience_s} s: {what}"
        await asyncio.sleep(0.01)
    return found


def envelope_of(
    message: Message, sender: Sender = SYSTEM, message_id: str | None = None, **fields: Any
) -> Envelope:
    """The envelope of a message."""
    given: dict[str, Any] = {
        "id": message_id or secrets.token_hex(16),
        "type": type(message).__name__,
        "version": message.version,
        "key": message.key,
        "sender": sender,
        "accepted_at": utc_now(),
        "correlation_id": "test",
        "data": pack(message),
    }
    return Envelope(**{**given, **fields})


def shopper(number: int) -> tuple[Sender, str]:
    """Somebody with an account, and their cart."""
    return Sender(f"user:{number}"), cart_of(str(number))


def add(cart_id: str, quantity: int = 1, isbn: str = ISBN) -> AddItem:
    """The commonest command."""
    return AddItem(cart_id=cart_id, isbn=isbn, quantity=quantity)


def place(cart_id: str, order_id: str, **fields: Any) -> PlaceOrder:
    """An order of a whole cart."""
    given: dict[str, Any] = {
        "email": "a@b.example",
        "shipping_address": ADDRESS,
        "shipping_method": "standard",
        "payment_token": "tok_ok",
    }
    return PlaceOrder(cart_id=cart_id, order_id=order_id, **{**given, **fields})


class House:
    """One broker and one database; whatever it started, it ends."""

    def __init__(self, endpoint: Endpoint, database: Database, workers: Database) -> None:
        self.endpoint = endpoint
        self.database = database
        self.workers_database = workers
        self.publisher = Publisher(endpoint, name="test")
        self.runtimes: list[Runtime] = []
        self._connection: AbstractRobustConnection | None = None

    async def open(self) -> None:
        """Connects."""
        await self.publisher.start()
        self._connection = await connect(self.endpoint, name="test looks")

    async def close(self) -> None:
        """Stops workers and connections."""
        for runtime in self.runtimes:
            await runtime.stop()
        await self.publisher.close()
        if self._connection is not None:
            await self._connection.close()

    async def worker(self, *groups: Group, **options: Any) -> Runtime:
        """A started worker."""
        runtime = Runtime(
            self.endpoint, self.workers_database, groups or ALL, Terms(), **{"tiers": TIERS, **options}
        )
        self.runtimes.append(runtime)
        await runtime.start()
        return runtime

    async def stop(self, runtime: Runtime) -> None:
        """Stops one worker."""
        self.runtimes.remove(runtime)
        await runtime.stop()

    async def send(
        self,
        message: Message,
        sender: Sender = SYSTEM,
        message_id: str | None = None,
        *,
        reply_to: str | None = None,
        **fields: Any,
    ) -> str:
        """Publishes a message as the edge does; its id."""
        envelope = envelope_of(message, sender, message_id, **fields)
        await self.publisher.publish(envelope, *route(message), reply_to=reply_to)
        return envelope.id

    async def raw(
        self, body: bytes, routing_key: str, *, exchange: str = "", message_id: str = "raw"
    ) -> None:
        """Publishes a body that nobody of ours would."""
        await self.publisher.publish_body(
            body,
            exchange,
            routing_key,
            message_id=message_id,
            type="Odd",
            correlation_id="odd",
            bytes_max=None,
        )

    async def sell(self, isbn: str = ISBN, stock: int = 100, price: int = 1000, **fields: Any) -> None:
        """Puts a title into the database as it stands after an import."""
        book = {"_id": isbn, "rev": 1, "title": "T", "for_sale": True, "available": stock > 0}
        await self.database.books.insert_one(
            {**book, "price": {"amount": price, "currency": "EUR"}, **fields}
        )
        counts = {"on_hand": stock, "reserved": 0, "available": stock, "rev": 1}
        await self.database.stock.insert_one({"_id": isbn, **counts})

    async def receipt(self, message_id: str, group: str = "carts") -> dict[str, Any]:
        """The receipt of a message, once it is there and not pending."""

        async def ended() -> Any:
            return await self.database.receipts.find_one(
                {"_id": f"{group}/{message_id}", "status": {"$ne": "pending"}}
            )

        found: dict[str, Any] = await until(ended, f"the receipt {group}/{message_id}")
        return found

    async def receipts(self, ids: Sequence[str], group: str = "carts") -> list[dict[str, Any]]:
        """The receipts of messages, in that order, once all are there."""
        keys = [f"{group}/{each}" for each in ids]

        async def there() -> Any:
            found = {raw["_id"]: raw async for raw in self.database.receipts.find({"_id": {"$in": keys}})}
            return [found[key] for key in keys] if len(found) == len(set(keys)) else None

        result: list[dict[str, Any]] = await until(there, f"{len(keys)} receipts")
        return result

    async def cart(self, cart_id: str) -> dict[str, Any]:
        """A cart as it is stored."""
        found = await self.database.carts.find_one({"_id": cart_id})
        assert found is not None, cart_id
        return found

    async def get(self, queue: str) -> AbstractIncomingMessage:
        """Takes one message off a queue, as soon as there is one."""
        assert self._connection is not None
        channel = await self._connection.channel()
        try:
            found = await channel.get_queue(queue, ensure=False)
            message = await until(lambda: found.get(fail=False), f"a message in {queue}")
            await message.ack()
        finally:
            await channel.close()
        assert isinstance(message, AbstractIncomingMessage)
        return message

    async def channel(self) -> AbstractRobustChannel:
        """A channel of the test's own."""
        assert self._connection is not None
        channel = await self._connection.channel()
        assert isinstance(channel, AbstractRobustChannel)
        return channel

    def sync_database(self) -> Any:
        """The database for code that cannot wait, as handlers of ordered groups are."""
        host, port = next(iter(self.database.client.nodes))
        client: MongoClient[dict[str, Any]] = MongoClient(host, port, directConnection=True)
        return client[self.database.name]

    async def waiting(self, queue: str) -> int:
        """How many messages of a queue are ready."""
        assert self._connection is not None
        channel = await self._connection.channel()
        try:
            declared = await (await channel.get_underlay_channel()).queue_declare(queue, passive=True)
        finally:
            await channel.close()
        return declared.message_count or 0

    async def empty(self, *names: str) -> None:
        """Returns once queues hold nothing that is ready."""
        for name in names or tuple(spec.name for spec in queues(TIERS)):

            async def nothing_left(name: str = name) -> bool:
                return await self.waiting(name) == 0

            await until(nothing_left, f"{name} to be empty")

    async def outbox_empty(self) -> None:
        """Returns once every row is published."""

        async def none() -> bool:
            return await self.database.outbox.count_documents({}) == 0

        await until(none, "an empty outbox")

    async def balanced(self, isbn: str = ISBN) -> dict[str, Any]:
        """A title's stock, after checking that its ledger sums to its counts (100 were there from the start)."""
        stock = await self.database.stock.find_one({"_id": isbn})
        assert stock is not None
        assert stock["available"] == stock["on_hand"] - stock["reserved"] >= 0
        moved = [raw async for raw in self.database.movements.find({"isbn": isbn})]
        assert stock["reserved"] == sum(raw["reserved"] for raw in moved)
        return stock


async def cut(runtime: Runtime) -> None:
    """Takes a worker's consuming connection away, as a broker does that goes down; it comes back by itself."""
    connection = runtime._broker._connection
    assert connection is not None
    assert connection.transport is not None
    await connection.transport.connection.close(aiormq.exceptions.ConnectionClosed(320, "CONNECTION_FORCED"))


def body_of(message: AbstractIncomingMessage) -> dict[str, Any]:
    """A message's body, decoded."""
    decoded: dict[str, Any] = json.loads(message.body)
    return decoded

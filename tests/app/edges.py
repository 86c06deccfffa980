"""An edge to talk to, a worker that does as it is told, and what a request may carry."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import msgspec
from aio_pika import Message
from aio_pika.abc import AbstractIncomingMessage
from httpx import ASGITransport, AsyncClient, Response
from litestar import Litestar

from app.application import Edge, create_app
from app.cache import CachedReads, MemoryCache
from app.security.accounts import Accounts
from app.security.keys import Keyring
from app.security.passwords import Passwords
from broker.connection import Endpoint, connect
from broker.messages import Envelope
from broker.publish import Publisher
from broker.replies import Reply
from broker.topology import GROUPS
from documents.operations import Outcome, Receipt, receipt_id

OPERATOR = "operator-token-of-these-tests-0123456789"
STAFF = {"Authorization": f"Bearer {OPERATOR}"}
PASSWORD = "correct horse battery"
ISBN = "9780306406157"
HOME = {"name": "Ada", "line1": "1 Main St", "city": "London", "postal_code": "W1", "country": "GB"}
WITHIN_S = 10.0
WAIT = {"Prefer": "wait=10"}


def make_edge(endpoint: Endpoint, publisher: Publisher, **changes: Any) -> Edge:
    """An edge whose accounts hash as cheaply as argon2 allows, with an operator."""
    keyring = changes.pop("keyring", None) or Keyring.generate()
    accounts = Accounts(keyring=keyring, operator_token=OPERATOR, passwords=Passwords(memory_kib=8, passes=1))
    return Edge(
        publisher=publisher,
        endpoint=endpoint,
        keyring=keyring,
        accounts=accounts,
        cache=CachedReads(MemoryCache()),
        **changes,
    )


@asynccontextmanager
async def serving(edge: Edge, *, listening: bool = True) -> AsyncIterator[AsyncClient]:
    """A client of that edge, on the loop of the tests. Its lifespan runs; its ears are open unless told otherwise."""
    app = create_app(edge)
    async with living(app):
        if listening:
            await until(lambda: edge.listener.ready)
        transport = ASGITransport(cast("Any", app), raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://quire.test") as client:
            yield client
    edge.accounts.close()


@asynccontextmanager
async def living(app: Litestar) -> AsyncIterator[None]:
    """The application's lifespan, in one task from beginning to end as Litestar wants it; a fixture has two."""
    begun, end = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            begun.set()
            await end.wait()

    task = asyncio.create_task(live())
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        yield
    finally:
        end.set()
        await task


async def until(holds: Callable[[], bool]) -> None:
    """Returns once it holds; fails after 10 s."""
    async with asyncio.timeout(WITHIN_S):
        while not holds():  # noqa: ASYNC110 - many things become true, few of them tell an Event
            await asyncio.sleep(0.005)


@dataclass
class Verdict:
    """What the worker makes of a command."""

    status: Outcome = Outcome.SUCCEEDED
    resource: str | None = None
    problem: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    reply: bool = True
    write: bool = True


Decide = Callable[[Envelope], Awaitable[Verdict]]


async def agree(_: Envelope) -> Verdict:
    """Every command succeeds."""
    return Verdict()


@dataclass
class ScriptedWorker:
    """Takes every group's commands, keeps them, and writes the receipt and the reply that the test decided on."""

    endpoint: Endpoint
    decide: Decide = agree
    received: list[Envelope] = field(default_factory=list)
    settled: int = 0
    """How many it is done with, acks included."""

    @asynccontextmanager
    async def working(self) -> AsyncIterator["ScriptedWorker"]:
        """Consumes from every queue of commands, one message at a time."""
        connection = await connect(self.endpoint, name="scripted worker")
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        for group in GROUPS:
            for name in group.queues:
                queue = await channel.declare_queue(name, passive=True)
                await queue.consume(partial(self._on_message, group.name))
        self._channel = channel
        try:
            yield self
        finally:
            await connection.close()

    async def _on_message(self, group: str, message: AbstractIncomingMessage) -> None:
        envelope = Envelope.from_bytes(message.body)
        self.received.append(envelope)
        verdict = await self.decide(envelope)
        if verdict.write:
            await write_receipt(group, envelope, verdict)
        if verdict.reply and message.reply_to:
            await self._reply(group, envelope, verdict, message.reply_to)
        await message.ack()
        self.settled += 1

    async def _reply(self, group: str, envelope: Envelope, verdict: Verdict, reply_to: str) -> None:
        reply = Reply(
            group=group,
            message_id=envelope.id,
            status=verdict.status.value,
            fingerprint=envelope.fingerprint,
            resource=verdict.resource,
            result=verdict.result,
            problem=verdict.problem,
        )
        await self._channel.default_exchange.publish(
            Message(msgspec.msgpack.encode([reply])), reply_to, mandatory=False
        )


async def write_receipt(group: str, envelope: Envelope, verdict: Verdict) -> None:
    """The receipt of a command, as a worker writes it; one that is there stays."""
    row = {
        "_id": receipt_id(group, envelope.id),
        "group": group,
        "message_id": envelope.id,
        "type": envelope.type,
        "key": envelope.key,
        "status": verdict.status.value,
        "sender": envelope.sender.id,
        "fingerprint": envelope.fingerprint,
        "resource": verdict.resource,
        "rev": None,
        "result": verdict.result,
        "problem": verdict.problem,
        "correlation_id": envelope.correlation_id,
        "accepted_at": envelope.accepted_at,
        "at": datetime.now(UTC),
    }
    await Receipt.get_pymongo_collection().update_one({"_id": row["_id"]}, {"$setOnInsert": row}, upsert=True)


def problem(response: Response, status: int, code: str) -> dict[str, Any]:
    """The body of a problem, after a look at its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    body: dict[str, Any] = response.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["type"] == f"/problems/{code}"
    return body


async def sign_in(client: AsyncClient, email: str = "ada@example.com") -> dict[str, str]:
    """The headers of a new account that is signed in."""
    new = {"email": email, "password": PASSWORD, "name": "Ada"}
    assert (await client.post("/v1/users", json=new)).status_code == 201
    session = await client.post("/v1/sessions", json={"email": email, "password": PASSWORD})
    return {"Authorization": f"Bearer {session.json()['access_token']}"}


async def guest_cart(client: AsyncClient) -> tuple[str, dict[str, str]]:
    """A guest's cart, and the header that opens it."""
    cart = (await client.post("/v1/carts")).json()
    return cart["id"], {"Cart-Token": cart["token"]}


def order_body(cart_id: str, **changes: Any) -> dict[str, Any]:
    """A guest's order of a cart, complete."""
    return {
        "cart_id": cart_id,
        "email": "ada@example.com",
        "shipping_address": HOME,
        "shipping_method": "standard",
        "payment": {"token": "tok_ok"},
        **changes,
    }


async def add(
    client: AsyncClient, cart_id: str, headers: dict[str, str], quantity: int = 1, isbn: str = ISBN
) -> Response:
    """Asks for copies of a title."""
    return await client.post(
        f"/v1/carts/{cart_id}/items", json={"isbn": isbn, "quantity": quantity}, headers=headers
    )

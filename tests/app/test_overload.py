"""A broker that is away, full, silent or under an alarm, as a shopper meets it: over HTTP, on a real RabbitMQ."""

import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from aio_pika.abc import AbstractRobustConnection
from httpx import AsyncClient, Response

from app.edge import Edge
from broker import declare
from broker.connection import connect
from broker.publish import Publisher
from ops.servers import RabbitMQ, ServerMissing
from tests.app.edges import guest_cart, make_edge, problem, serving
from tests.broker.house import until
from tests.conftest import missing

eventually = partial(until, patience_s=60.0)


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RabbitMQ]:
    """A RabbitMQ of this file's own, to be killed and frozen, with the topology on it."""
    try:
        node = await RabbitMQ.start(tmp_path_factory.mktemp("overloaded"))
    except ServerMissing as error:
        missing(error)
    connection = await connect(node.url, name="topology")
    await declare.apply(connection)
    await connection.close()

    async def figures() -> bool:
        # A node killed before its queues have figures may find them again without a leader (docs/development.md).
        queues = await node.management("GET", "queues/%2f")
        return all("messages" in queue for queue in queues)

    await eventually(figures, "every queue to have figures")
    yield node
    await node.stop()


@dataclass
class Shopper:
    """Adds copies to one cart, and remembers which of them were accepted."""

    client: AsyncClient
    edge: Edge
    node: RabbitMQ
    connection: AbstractRobustConnection
    cart_id: str
    token: dict[str, str]
    accepted: set[str] = field(default_factory=set)

    async def add(self) -> Response:
        """One command; accepted ones are noted by their operation."""
        response = await self.client.post(
            f"/v1/carts/{self.cart_id}/items",
            json={"isbn": "9780306406157", "quantity": 1},
            headers={**self.token, "Idempotency-Key": secrets.token_hex(8)},
        )
        if response.status_code == 202:
            self.accepted.add(response.json()["id"])
        return response

    async def refused(self) -> bool:
        """Whether a command is refused as the contract says."""
        response = await self.add()
        if response.status_code != 503:
            return False
        problem(response, 503, "broker_unavailable")
        assert int(response.headers["retry-after"]) > 0
        return True

    async def accepted_again(self) -> bool:
        """Whether a command is accepted."""
        return (await self.add()).status_code == 202

    async def kept(self) -> int:
        """How many commands the broker has."""
        await self.connection.ready()
        channel = await self.connection.channel()
        queues = [await channel.declare_queue(f"carts.{n}", passive=True) for n in range(8)]
        await channel.close()
        return sum(queue.declaration_result.message_count or 0 for queue in queues)

    async def broker_in_readiness(self) -> dict[str, Any]:
        """What readiness says of the broker; the edge itself stays ready."""
        response = await self.client.get("/health/ready")
        assert response.status_code == 200
        part: dict[str, Any] = response.json()["parts"]["broker"]
        return part

    async def refused_without_a_trace(self) -> None:
        """Refused for as long as it lasts, and named in readiness."""
        await eventually(self.refused, "commands to be refused")
        for _ in range(5):
            assert await self.refused()
        assert (await self.broker_in_readiness())["ok"] is False

    async def well_again(self) -> None:
        """Accepts by itself, and the broker holds what was accepted, and nothing that was refused."""
        await eventually(self.accepted_again, "commands to be accepted")

        async def all_kept() -> bool:
            return await self.kept() >= len(self.accepted)

        await eventually(all_kept, "everything accepted to be in the queues")

        async def ready() -> bool:
            return (await self.broker_in_readiness())["ok"] is True

        await eventually(ready, "readiness to say so")


@pytest.fixture
async def shopper(node: RabbitMQ, database: Any) -> AsyncIterator[Shopper]:
    """A guest at an edge on that node; nobody takes what is accepted."""
    publisher = Publisher(node.url, name="edge publishes", timeout_s=2.0)
    await publisher.start()
    connection = await connect(node.url, name="test looks")
    channel = await connection.channel()
    for n in range(8):
        await (await channel.get_queue(f"carts.{n}", ensure=False)).purge()
    edge = make_edge(node.url, publisher)
    async with serving(edge) as client:
        cart_id, token = await guest_cart(client)
        yield Shopper(client, edge, node, connection, cart_id, token)
    await publisher.close()
    await connection.close()


async def test_killed(shopper: Shopper, node: RabbitMQ) -> None:
    """A broker that was killed: 503 until it is back, and then by itself everything that was accepted is there."""
    for _ in range(10):
        assert await shopper.accepted_again()
    await node.kill()
    await shopper.refused_without_a_trace()
    await node.restart()
    await shopper.well_again()


async def test_frozen(shopper: Shopper, node: RabbitMQ) -> None:
    """A broker that froze: what was sent is unknown, what comes after is refused, and it goes on by itself."""
    assert await shopper.accepted_again()
    os.kill(node.pid, signal.SIGSTOP)
    try:
        unknown = await shopper.add()
        problem(unknown, 504, "outcome_unknown")
        assert unknown.headers["location"].startswith("/v1/operations/")
        await shopper.refused_without_a_trace()
    finally:
        os.kill(node.pid, signal.SIGCONT)
    await shopper.well_again()


@asynccontextmanager
async def memory_alarm(node: RabbitMQ) -> AsyncIterator[None]:
    """The node believes that it has no memory left."""
    before = await node.ctl("eval", "vm_memory_monitor:get_vm_memory_high_watermark().")
    await node.ctl("set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        await node.ctl("set_vm_memory_high_watermark", before.strip())


@asynccontextmanager
async def disk_alarm(node: RabbitMQ) -> AsyncIterator[None]:
    """The node believes that its disk is full."""
    await node.ctl("set_disk_free_limit", "100000GB")
    try:
        yield
    finally:
        await node.ctl("set_disk_free_limit", "100MB")


@asynccontextmanager
async def full_queues(node: RabbitMQ) -> AsyncIterator[None]:
    """The carts' queues hold as much as they may."""
    policy = {"pattern": "^carts", "definition": {"max-length": 1}, "apply-to": "queues"}
    await node.management("PUT", "policies/%2f/full", policy)
    try:
        yield
    finally:
        await node.management("DELETE", "policies/%2f/full")


@pytest.mark.parametrize("alarm", [memory_alarm, disk_alarm])
async def test_under_an_alarm(shopper: Shopper, node: RabbitMQ, alarm: Callable[[RabbitMQ], Any]) -> None:
    """Nothing is accepted that waits in a socket: known before it is sent, named, and over by itself."""
    assert await shopper.accepted_again()
    async with alarm(node):

        async def noticed() -> bool:
            return shopper.edge.publisher.refusing is not None

        await eventually(noticed, "the alarm to be noticed without a command")
        before = await shopper.kept()
        await shopper.refused_without_a_trace()
        assert "memory or disk" in (await shopper.broker_in_readiness())["detail"]
    await shopper.well_again()
    assert await shopper.kept() == before + len(shopper.accepted) - 1


async def test_full(shopper: Shopper, node: RabbitMQ) -> None:
    """A queue at its maximum refuses and keeps nothing of it; room again, and commands are accepted again."""
    async with full_queues(node):
        await eventually(shopper.refused, "the queue to be full")
        held = len(shopper.accepted)
        for _ in range(5):
            assert await shopper.refused()

        async def only_what_was_accepted() -> bool:
            return await shopper.kept() == held

        await eventually(only_what_was_accepted, "the queue to hold what was accepted and no more")
    await eventually(shopper.accepted_again, "commands to be accepted")

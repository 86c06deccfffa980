"""A real RabbitMQ, looked at: what waits, what is unacked, what is dead; and all of it is left where it is."""

import asyncio

import pytest
from aio_pika import Message
from aio_pika.abc import AbstractChannel

from broker.connection import connect
from ops.check import BrokerAddress, Report, check
from ops.parts import apply_topology
from ops.servers import RabbitMQ
from tests.ops.test_check.plants import Plants

SEEN_WITHIN_S = 30  # the management API counts every 5 s


@pytest.fixture
async def address(rabbitmq: RabbitMQ, rabbitmq_url: str) -> BrokerAddress:
    """A virtual host with Quire's queues, and its management API."""
    await apply_topology(rabbitmq_url)
    return BrokerAddress(rabbitmq_url, rabbitmq.management_url)


def broken(report: Report) -> dict[str, list[str]]:
    """The invariants that were broken, with the ids that broke them."""
    return {
        result.name: [each.id for each in result.listed] for result in report.results if result.violations
    }


async def put(channel: AbstractChannel, queue: str, message_id: str) -> None:
    """A persistent message straight into a queue."""
    message = Message(b"no envelope", message_id=message_id, type="AddItem", delivery_mode=2)
    await channel.default_exchange.publish(message, queue)


async def standing(channel: AbstractChannel, queue: str) -> int:
    """How many messages a queue shows."""
    return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0


async def test_queues_and_letters_are_seen_and_left(plants: Plants, address: BrokerAddress) -> None:
    """Empty queues hold; a message in a work queue and a letter without a receipt are named, and stay."""
    assert address.url is not None
    report = await check(plants.database, address, settle_s=0)
    assert (broken(report), [result.name for result in report.results if result.skipped]) == ({}, [])
    connection = await connect(address.url, name="test")
    async with connection, connection.channel() as channel:
        await put(channel, "carts.3", "m-waiting")
        await put(channel, "carts.dead", "m-dead")
        report = await check(plants.database, address, settle_s=1)
        assert broken(report) == {"queue-empty": ["carts.3"], "letter-receipt": ["m-dead"]}
        assert (await standing(channel, "carts.3"), await standing(channel, "carts.dead")) == (1, 1)


async def test_a_failure_with_its_letter_holds(plants: Plants, address: BrokerAddress) -> None:
    """A failed receipt whose letter stands in the queue is explained; without it, it is named."""
    assert address.url is not None
    receipt = await plants.one("receipts", {"group": "carts", "type": "AddItem"})
    failed = {"_id": "carts/poison", "message_id": "poison", "status": "failed", "rev": None}
    await plants.database["receipts"].insert_one({**receipt, **failed})
    assert broken(await check(plants.database, address, settle_s=0)) == {"letter-receipt": ["carts/poison"]}
    connection = await connect(address.url, name="test")
    async with connection, connection.channel() as channel:
        await put(channel, "carts.dead", "poison")
    assert broken(await check(plants.database, address, settle_s=0)) == {}


async def test_unacked_messages_are_seen_through_the_management_api(
    plants: Plants, address: BrokerAddress
) -> None:
    """A message that a consumer holds and never acks is named; without the API it is said that nobody can tell."""
    assert address.url is not None
    connection = await connect(address.url, name="test")
    async with connection, connection.channel() as channel:
        await put(channel, "payments", "m-held")
        queue = await channel.get_queue("payments")
        held = await queue.get(no_ack=False, fail=False)
        assert held is not None
        async with asyncio.timeout(SEEN_WITHIN_S):
            while not (named := broken(await check(plants.database, address, settle_s=0))):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.5)
        assert named == {"queue-empty": ["payments"]}
        blind = await check(plants.database, BrokerAddress(address.url), settle_s=0)
        assert any("unacked messages cannot be seen" in remark for remark in blind.remarks)

"""A real RabbitMQ, looked at: what waits, what is unacked, what is dead; and all of it is left where it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from aio_pika import Message
from aio_pika.abc import AbstractChannel

from broker.connection import connect
from broker.letters.reading import reader
from broker.topology import GROUPS
from documents.actors import utc_now
from ops.check import CHECKS, BrokerAddress, Finding, Report, Whole, check, queues
from ops.check.view import View
from ops.parts import apply_topology
from ops.servers import Mongod, RabbitMQ
from ops.trace import trace
from tests.faults.proxy import proxy_to
from tests.ops.test_check.plants import Plants
from tests.ops.test_check.violations.common import long_ago

IN_A_LOOK_BYTES = 150  # of the broker's answers: some of its queues are counted by then, others not
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
        assert (blind.holds, blind.unseen) == (None, ("queue-empty",))


@pytest.mark.parametrize("where", ["nobody", "not the API", "no API"])
async def test_a_management_api_that_is_away_or_wrong_is_said(
    plants: Plants, address: BrokerAddress, mongod: Mongod, where: str
) -> None:
    """Unacked messages were not seen then, everything else was: a remark, and no claim that all holds."""
    places = {
        "nobody": "http://127.0.0.1:1",
        "not the API": f"{address.management_url}/nothing",
        "no API": f"http://{urlsplit(mongod.url).netloc}",  # answers browsers, with a text
    }
    report = await check(plants.database, BrokerAddress(address.url, places[where]), settle_s=0)
    assert (report.violations, report.holds, report.unseen) == (0, None, ("queue-empty",))
    assert any("unacked messages were not seen" in remark for remark in report.remarks)


@pytest.mark.parametrize("lost", ["refused", "silent", "cut"])
async def test_a_broker_that_goes_away_meanwhile_is_said(
    plants: Plants, address: BrokerAddress, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """While its queues are counted, at the second look: the database is held against the promises all the same."""
    assert address.url is not None
    url = urlsplit(address.url)
    connection = await connect(address.url, name="test")
    async with connection, connection.channel() as channel, proxy_to(url.port or 5672) as proxy:
        await put(channel, "carts.3", "m-waiting")
        monkeypatch.setattr(queues, "ANSWERS_WITHIN_S", 1)
        looks = 0
        counts = queues.RabbitQueues.counts

        async def once_more(broker: queues.RabbitQueues) -> dict[str, queues.Waiting]:
            nonlocal looks
            looks += 1
            if looks == 2 and lost == "refused":
                proxy.refuse()
            elif looks == 2 and lost == "silent":
                proxy.silence("up", "down")
            elif looks == 2:
                proxy.refusing = True
                proxy.cut_after(IN_A_LOOK_BYTES)
            return await counts(broker)

        monkeypatch.setattr(queues.RabbitQueues, "counts", once_more)
        through = BrokerAddress(url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{proxy.port}").geturl())
        report = await check(plants.database, through, settle_s=30)
    assert looks == 2
    assert (report.violations, report.holds) == (0, None)
    assert set(report.unseen) == {
        each.name for each in CHECKS if isinstance(each, Whole) and each.needs_broker
    }
    assert any("the broker went away" in remark for remark in report.remarks)


async def test_what_a_silent_broker_cancels_is_said(
    plants: Plants, address: BrokerAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiormq cancels what was asked of a broker that says nothing for three heartbeats: no end of the check."""

    async def cancelled(*_: Any) -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr(queues.RabbitQueues, "_counted", cancelled)
    report = await check(plants.database, address, settle_s=0)
    assert any("the broker went away" in remark for remark in report.remarks)
    found = await trace(plants.database, plants.orders["confirmed"], address)
    assert any("the broker went away" in remark for remark in found.remarks)


LETTERS = next(each for each in CHECKS if each.name == "letter-receipt")


async def beside(
    address: BrokerAddress, plants: Plants, deed: Callable[[], Awaitable[None]], *, first: bool = True
) -> Report:
    """A check of the letters; before or after that, once the database's moment is fixed, something else is done."""

    async def survey(_view: View) -> AsyncIterator[Finding]:
        await deed()
        nothing: tuple[Finding, ...] = ()
        for finding in nothing:
            yield finding

    meanwhile = Whole("meanwhile", "", survey)
    checks = [meanwhile, LETTERS] if first else [LETTERS, meanwhile]
    return await check(plants.database, address, settle_s=0, checks=checks)


async def test_letters_that_come_and_go_meanwhile_are_no_violation(
    plants: Plants, address: BrokerAddress
) -> None:
    """Neither a letter that arrives while the check judges, nor one that staff drop."""
    assert address.url is not None
    connection = await connect(address.url, name="test")
    async with connection, connection.channel() as channel:
        await put(channel, "catalog.dead", "old")
        receipt = await plants.one("receipts", {"group": "catalog"})
        failed = {"_id": "catalog/old", "message_id": "old", "status": "failed", "rev": None}
        await plants.database["receipts"].insert_one({**receipt, **failed, "at": long_ago()})

        async def come_and_go() -> None:
            await put(channel, "catalog.dead", "new")
            queue = await channel.get_queue("catalog.dead")
            old = await queue.get(fail=False)
            assert old is not None
            assert old.message_id == "old"
            await old.ack()

        assert broken(await beside(address, plants, come_and_go)) == {}


async def test_a_letter_sent_round_again_before_it_could_be_read_is_no_violation(
    plants: Plants, address: BrokerAddress
) -> None:
    """Its receipt is looked at again: it says something else by now."""
    receipt = await plants.one("receipts", {"group": "catalog"})
    failed = {"_id": "catalog/again", "message_id": "again", "status": "failed", "rev": None}
    await plants.database["receipts"].insert_one({**receipt, **failed, "at": long_ago()})

    async def succeed() -> None:
        now = {"$set": {"status": "succeeded", "at": utc_now()}}
        await plants.change("receipts", "catalog/again", now)

    assert broken(await beside(address, plants, succeed)) == {}


async def test_letters_are_free_again_while_the_check_goes_on(plants: Plants, address: BrokerAddress) -> None:
    """Who wants to read or to drop letters need not wait for its end."""
    assert address.url is not None
    url = address.url

    async def read_all() -> None:
        async with reader(url) as reading_on:
            for group in GROUPS:
                await reading_on.lock(group)

    assert broken(await beside(address, plants, read_all, first=False)) == {}

"""Stopping a worker: nothing is lost, doubled or overtaken, and nobody is suspected for it."""

import asyncio
from typing import Any

import pytest

from broker.suspicion import SUSPECT_AFTER
from broker.topology import BY_NAME, slot_of
from handlers.carts import CARTS
from tests.broker.house import House, add, shopper, until

pytestmark = pytest.mark.parametrize("shop_url", ["embedded", "rabbitmq", "rabbitmq-4"], indirect=True)


async def test_a_successor_takes_over_in_order(house: House) -> None:
    """Workers that come and go under load, each with a successor waiting: every cart's commands in their order."""
    await house.sell(stock=100_000)
    serving = await house.worker(CARTS)

    async def shop(number: int) -> list[str]:
        sender, cart_id = shopper(number)
        ids = []
        for _ in range(15):
            # Several on their way at once: more than one worker holds, and never fewer than the prefetch.
            ids += await asyncio.gather(*(house.send(add(cart_id), sender) for _ in range(4)))
        return ids

    shoppers = [asyncio.create_task(shop(number)) for number in range(30)]
    for _ in range(4):
        done = await house.database.receipts.count_documents({})
        successor = await house.worker(CARTS)

        async def at_work(done: int = done) -> bool:
            over = all(task.done() for task in shoppers)
            return over or bool(await house.database.receipts.count_documents({}) > done)

        await until(at_work, "the worker to be at work")
        await house.stop(serving)
        serving = successor
    for ids in await asyncio.gather(*shoppers):
        revs = [receipt["rev"] for receipt in await house.receipts(ids)]
        # Four at a time are published together, in no order of their own; the fours keep theirs.
        fours = [sorted(revs[n : n + 4]) for n in range(0, len(revs), 4)]
        assert [rev for four in fours for rev in four] == list(range(1, len(ids) + 1))
    await house.empty(*BY_NAME["carts"].queues)


async def test_what_was_delivered_is_finished_rather_than_counted_against_it(house: House) -> None:
    """A stop works off what it holds: nothing goes back, so nothing has been delivered in vain."""
    await house.sell(stock=1000)
    sender, cart_id = shopper(1)
    ids = [await house.send(add(cart_id), sender) for _ in range(80)]
    worker = await house.worker(CARTS)
    held = 0
    opened = worker._acks.opened

    def count(delivery: Any) -> None:
        nonlocal held
        held += 1
        opened(delivery)

    worker._acks.opened = count  # type: ignore[method-assign]

    async def all_held() -> bool:
        return held + await house.database.receipts.count_documents({}) >= 80

    await until(all_held, "the worker to hold everything")
    await house.stop(worker)
    queue = BY_NAME["carts"].queue_of(slot_of(cart_id))
    assert await house.waiting(queue) == 0
    assert [each["rev"] for each in await house.receipts(ids)] == list(range(1, 81))


async def test_many_stops_put_nobody_under_suspicion(house: House) -> None:
    """Deploys in a row, with a message in each mailbox: none comes to the returns that make a suspect."""
    await house.sell(stock=1000)
    sender, cart_id = shopper(1)
    for _ in range(SUSPECT_AFTER + 2):
        sent = await house.send(add(cart_id), sender)
        worker = await house.worker(CARTS)
        await house.receipt(sent)
        await house.stop(worker)
    await house.worker(CARTS)
    ids = [await house.send(add(cart_id), sender) for _ in range(10)]
    await house.receipts(ids)
    assert await house.database.suspects.count_documents({}) == 0

"""A worker as a whole: it pauses, stops, dies and starts without losing anything."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aio_pika.abc import AbstractIncomingMessage
from structlog.testing import CapturingLogger

from broker import declare
from broker.connection import connect
from broker.embedded import EmbeddedServer, MemoryJournal
from broker.messages import PaymentAuthorized
from broker.publish import Publisher
from broker.runtime import Died, Runtime
from broker.telemetry import Round, Telemetry, Traced
from broker.topology import BY_NAME, DELIVERY_LIMIT, slot_of
from documents.terms import Terms
from handlers.carts import CARTS
from tests.broker.house import ALL, ISBN, TIERS, House, add, envelope_of, place, shopper, until
from tests.broker.wire import Wire


async def test_a_stop_under_load_finishes_or_gives_back_everything(house: House) -> None:
    """Stopped in the middle of a stream: nothing is lost or done twice, the next worker does the rest in order."""
    await house.sell(stock=1000)
    first = await house.worker(*ALL)

    async def shop(number: int) -> list[str]:
        sender, cart_id = shopper(number)
        ids = [await house.send(add(cart_id), sender) for _ in range(20)]
        return [*ids, await house.send(place(cart_id, f"o{number}"), sender)]

    async def stop() -> None:
        await until(lambda: house.database.receipts.find_one({}), "a first receipt")
        await house.stop(first)

    sent, _ = await asyncio.gather(asyncio.gather(*(shop(number) for number in range(20))), stop())
    await house.worker(*ALL)
    for ids in sent:
        receipts = await house.receipts(ids)
        assert [receipt["rev"] for receipt in receipts] == list(range(1, 22))
    assert (await house.balanced())["reserved"] == 400
    await house.empty(*(f"carts.{n}" for n in range(8)))
    await house.outbox_empty()


async def test_a_stop_does_not_wait_for_mailboxes_that_wait(house: House) -> None:
    """What is refused in place is given back at once, and the next worker tries it."""
    worker = await house.worker(*ALL)
    early = await house.send(PaymentAuthorized(order_id="o1", amount=1, currency="EUR"))

    async def parked() -> bool:
        return len(worker._loop.mailboxes) == 1

    await until(parked, "a mailbox that waits")
    async with asyncio.timeout(3):
        await house.stop(worker)
    assert await house.database.receipts.find_one({"message_id": early}) is None
    await house.sell()
    await house.worker(*ALL)
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender)
    await house.send(place(cart_id, "o1"), sender)
    assert (await house.receipt(early, "orders"))["status"] == "succeeded"


async def test_a_worker_whose_loop_ends_says_so(house: House) -> None:
    """`died` raises, and it is no longer healthy: the process can end and be started anew. Nothing was acked."""
    await house.sell()

    class Broken(Telemetry):
        def round(self, name: str, members: Sequence[Traced]) -> Round:
            raise RuntimeError("the loop is broken")

    worker = await house.worker(CARTS, telemetry=Broken())
    health = [worker.healthy]
    sender, cart_id = shopper(1)
    sent = await house.send(add(cart_id), sender)
    with pytest.raises(Died, match="the loop is broken"):
        await asyncio.wait_for(worker.died(), 10)
    health.append(worker.healthy)
    assert health == [True, False]
    await house.stop(worker)
    await house.worker(CARTS)
    await house.receipt(sent)
    await house.empty(*(f"carts.{n}" for n in range(8)))
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 1


async def test_a_worker_whose_part_is_cancelled_says_so(house: House) -> None:
    """Nobody asked for that, so it is a death like any other; a stop's own cancellations are none."""
    worker = await house.worker(CARTS)
    next(task for task in worker._tasks if task.get_name() == "pausing").cancel()
    with pytest.raises(Died):
        await asyncio.wait_for(worker.died(), 10)
    await house.stop(worker)
    another = await house.worker(CARTS)
    await house.stop(another)
    assert another._death is None


async def test_a_stop_beside_a_silent_broker_ends_like_any_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it asks of the broker is cancelled, and nobody asked for that: it goes without its answer."""
    worker = await house.worker(*ALL)

    async def cancelled() -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(worker._unordered[0], "cancel", cancelled)
    log = CapturingLogger()
    monkeypatch.setattr("broker.runtime.log", log)
    await house.stop(worker)
    assert [call.args for call in log.calls] == [("stop.unfinished",)]
    assert worker._tasks == set()


async def test_what_kills_every_worker_ends_with_the_undertaker(house: House) -> None:
    """Delivered as often as the limit allows and never finished: receipt failed, a dead letter that names its queue."""
    channel = await house.channel()
    await channel.set_qos(prefetch_count=1)
    sender, cart_id = shopper(1)
    sent = await house.send(add(cart_id), sender)
    origin = BY_NAME["carts"].queue_of(slot_of(cart_id))
    deliveries: list[int] = []

    async def give_back(message: AbstractIncomingMessage) -> None:
        deliveries.append(1)
        await message.nack(requeue=True)

    queue = await channel.get_queue(origin, ensure=False)
    consumer = await queue.consume(give_back)

    async def dead() -> bool:
        return await house.waiting("carts.undertaker") == 1

    await until(dead, "the broker to give up")
    await queue.cancel(consumer)
    assert len(deliveries) == DELIVERY_LIMIT + 1
    await house.sell()
    await house.worker(CARTS)
    receipt = await house.receipt(sent)
    letter = await house.get("carts.dead")
    assert (receipt["status"], receipt["problem"]["reason"]) == ("failed", "delivery limit reached")
    assert letter.headers["x-quire-origin-queue"] == origin
    assert letter.headers["x-quire-reason"] == "delivery limit reached"
    assert letter.headers["x-quire-attempts"] == DELIVERY_LIMIT + 1
    assert letter.message_id == sent
    fine = await house.send(add(cart_id), sender)
    assert (await house.receipt(fine))["status"] == "succeeded"


async def test_the_undertaker_knows_what_was_done_already(house: House) -> None:
    """Processed, but its acks were lost until the limit: the receipt stays, and there is no letter."""
    await house.sell()
    sender, cart_id = shopper(1)
    await house.worker(CARTS)
    sent = await house.send(add(cart_id), sender)
    before = await house.receipt(sent)
    again = envelope_of(add(cart_id), sender, sent).to_bytes()
    await house.raw(again, "carts.undertaker", message_id=sent)
    await house.empty("carts.undertaker")
    last = await house.send(add(cart_id), sender)
    await house.receipt(last)
    assert await house.receipt(sent) == before
    assert await house.waiting("carts.dead") == 0


async def test_every_message_of_a_partition_is_filed_in_its_order(house: House) -> None:
    """FastStream hands deliveries on one by one: order and acks lean on it."""
    tags: list[int] = []
    worker = await house.worker(CARTS)
    original = worker._acks.opened

    def noted(delivery: Any) -> None:
        if delivery.queue == "carts.1":
            tags.append(delivery.tag)
        original(delivery)

    worker._acks.opened = noted  # type: ignore[method-assign]
    await asyncio.gather(*(house.raw(b"?", "carts.1", message_id=f"m{n}") for n in range(300)))

    async def all_filed() -> bool:
        return len(tags) == 300

    await until(all_filed, "300 deliveries")
    assert tags == list(range(1, 301))


async def test_a_broker_that_is_away_makes_a_worker_unhealthy(worker_database: Any) -> None:
    """And its stop does not hang on it."""
    server = EmbeddedServer(MemoryJournal())
    await server.start()
    connection = await connect(server, name="topology")
    await declare.apply(connection, TIERS)
    await connection.close()
    runtime = Runtime(server, worker_database, ALL, Terms(), tiers=TIERS)
    await runtime.start()
    await server.stop()

    async def unhealthy() -> bool:
        return not runtime.healthy

    await until(unhealthy, "the loss to be noticed")
    async with asyncio.timeout(5):
        await runtime.stop()


@pytest.mark.parametrize("shop_url", ["rabbitmq"], indirect=True)
async def test_a_broker_that_says_nothing_holds_no_stop_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends without an error, and what the broker still holds goes to the next worker."""
    monkeypatch.setattr("broker.runtime.STOP_WITHIN_S", 0.5)
    monkeypatch.setattr("broker.runtime.CLOSE_WITHIN_S", 0.5)
    await house.sell()
    wire = Wire(str(house.endpoint))
    await wire.mend()
    publisher = Publisher(wire.url, name="silenced", timeout_s=0.5)
    worker = Runtime(wire.url, house.workers_database, [CARTS], Terms(), publisher=publisher)
    await worker.start()
    wire.hold()
    sender, cart_id = shopper(1)
    waits = await house.send(add(cart_id), sender)
    await worker.stop()
    wire.release()
    await wire.cut()
    await house.worker(CARTS)
    assert (await house.receipt(waits))["rev"] == 1

"""The outbox: what was decided is sent, whoever dies between the commit and the confirm."""

import asyncio
from datetime import timedelta
from typing import Any

from structlog.testing import capture_logs

from broker.outbox import Outbox, raw_row
from broker.publish import BrokerUnavailable, Publisher
from documents.actors import utc_now
from tests.broker.house import ALL, House, add, place, shopper, until


class Refusing(Publisher):
    """A publisher whose broker never takes anything: what was decided stays behind, as after a crash."""

    async def publish_body(self, *_args: Any, **_kwargs: Any) -> None:
        """Refuses."""
        raise BrokerUnavailable("it takes nothing")


async def expire_leases(house: House) -> None:
    """Lets 15 s pass for every row."""
    past = utc_now() - timedelta(seconds=1)
    await house.database.outbox.update_many({}, {"$set": {"lease_until": past}})


def row(number: int, routing_key: str) -> dict[str, Any]:
    """A row whose lease has run out."""
    made = raw_row(b"{}", "", routing_key, message_id=f"r{number}", type_="Odd", correlation_id="c")
    return {**made, "lease_until": utc_now() - timedelta(seconds=1)}


async def test_what_a_crash_left_behind_is_relayed_once_its_lease_is_over(house: House) -> None:
    """The order is placed, its event was never sent; another worker sends it, and the payment learns of it."""
    await house.sell()
    dying = await house.worker(publisher=Refusing(house.endpoint, name="dying"), relay_every_s=60)
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender)
    placed = await house.send(place(cart_id, "o"), sender)
    await house.receipt(placed)
    await house.stop(dying)
    assert await house.database.outbox.distinct("type") == ["OrderPlaced"]
    await house.worker(*ALL, relay_every_s=0.05)
    await expire_leases(house)
    await house.outbox_empty()

    async def heard() -> Any:
        return await house.database.receipts.find_one({"group": "payments", "type": "OrderPlaced"})

    receipt = await until(heard, "payments to hear of it")
    assert (receipt["causation_id"], receipt["status"]) == (placed, "succeeded")


async def test_a_row_is_not_relayed_while_its_writer_holds_the_lease(house: House) -> None:
    """A fresh row belongs to the worker that wrote it."""
    await house.database.outbox.insert_one(
        raw_row(b"{}", "", "payments.dead", message_id="fresh", type_="Odd", correlation_id="c")
    )
    assert await Outbox(house.publisher).relay_once() == 0
    await expire_leases(house)
    assert await Outbox(house.publisher).relay_once() == 1
    assert await house.database.outbox.count_documents({}) == 0


async def test_what_no_queue_takes_stays_is_said_and_holds_nothing_up(house: House) -> None:
    """An event without a queue is an error, not a silence; once there is a queue it goes."""
    await house.database.outbox.insert_many([row(0, "nowhere"), row(1, "payments.dead")])
    outbox = Outbox(house.publisher)
    with capture_logs() as logs:
        assert await outbox.relay_once() == 1
    assert [(log["event"], log["log_level"], log["message_id"]) for log in logs] == [
        ("outbox.refused", "error", "r0")
    ]
    assert await house.database.outbox.distinct("message_id") == ["r0"]
    channel = await house.channel()
    await channel.declare_queue("nowhere", exclusive=True)
    await expire_leases(house)
    assert await outbox.relay_once() == 1
    assert await house.database.outbox.count_documents({}) == 0


async def test_two_relays_share_the_rows_without_losing_or_blocking(house: House) -> None:
    """Each row goes out once: whose lease update came first has it."""
    await house.database.outbox.insert_many([row(n, "payments.dead") for n in range(120)])
    confirmed = await asyncio.gather(
        Outbox(house.publisher).relay_once(), Outbox(house.publisher).relay_once()
    )
    assert sum(confirmed) == 120
    assert await house.database.outbox.count_documents({}) == 0

    async def all_there() -> bool:
        return await house.waiting("payments.dead") == 120

    await until(all_there, "120 messages")


async def test_relays_survive_a_row_that_cannot_be_sent_at_all(house: House) -> None:
    """A row that breaks the sending stays and is said; the others go, and the relay lives."""
    broken = {**row(0, "payments.dead"), "type": "t" * 300}  # a property of AMQP holds 255 bytes
    await house.database.outbox.insert_many([broken, row(1, "payments.dead")])
    with capture_logs() as logs:
        assert await Outbox(house.publisher).relay_once() == 1
    assert [log["message_id"] for log in logs if log["event"] == "outbox.refused"] == ["r0"]

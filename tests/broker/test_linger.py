"""When a batch waits for company, how much it takes, and what waits longer because nobody waits for it."""

import asyncio
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from broker.groups import Effects, UnorderedGroup, WorkDesk
from broker.linger import ENOUGH, Patience, linger_s, size_of
from broker.messages import ExpireOrder, OrderCancelled
from broker.topology import BY_NAME
from ops.groups import groups
from ops.settings import Settings
from tests.broker.house import House, envelope_of, unordered, until
from tests.broker.test_work import cancelled

EVER = 3600.0


@pytest.mark.parametrize(
    ("last", "waiting", "waits"),
    [(1, 1, False), (23, 1, False), (24, 1, True), (24, 31, True), (64, 32, False)],
)
def test_only_company_is_waited_for(last: int, waiting: int, waits: bool) -> None:
    """Where the last batch had some, and until there is enough for a transaction."""
    assert (linger_s(last, waiting) > 0) is waits


@pytest.mark.parametrize(("waiting", "size"), [(1, 32), (64, 32), (100, 50), (1_600, 200)])
def test_a_batch_takes_half_of_what_waits(waiting: int, size: int) -> None:
    """But enough for its transaction, and no more than a batch may hold."""
    assert size_of(waiting, 200) == size


async def test_the_patient_begin_together_once_there_are_enough() -> None:
    """In their order, and the next ones wait anew."""
    begun: list[int] = []
    patience = Patience(EVER, begun.append)
    for number in range(ENOUGH - 1):
        patience.put(number)
    assert not begun
    assert list(patience) == list(range(ENOUGH - 1))
    patience.put(ENOUGH - 1)
    assert begun == list(range(ENOUGH))
    patience.put(ENOUGH)
    assert len(patience) == 1


async def test_the_patient_begin_after_a_while() -> None:
    """Counted from the first of them."""
    begun: asyncio.Queue[int] = asyncio.Queue()
    patience = Patience(0.001, begun.put_nowait)
    for number in range(2):
        patience.put(number)
    assert begun.empty()
    assert [await asyncio.wait_for(begun.get(), 10) for _ in range(2)] == [0, 1]
    patience.put(2)
    assert await asyncio.wait_for(begun.get(), 10) == 2


async def test_what_is_dropped_never_begins() -> None:
    """Those who come after it do."""
    begun: asyncio.Queue[int] = asyncio.Queue()
    patience = Patience(0.001, begun.put_nowait)
    patience.put(1)
    assert patience.drop() == [1]
    assert not patience
    patience.put(2)
    assert await asyncio.wait_for(begun.get(), 10) == 2


async def test_without_patience_nothing_waits() -> None:
    """A group is as impatient as it was where it does not say otherwise."""
    begun: list[int] = []
    Patience(0.0, begun.append).put(1)
    assert begun == [1]


async def test_a_command_that_somebody_waits_for_overtakes_patient_events(house: House) -> None:
    """The event is held meanwhile, and a stop begins and finishes it."""
    handled: list[str] = []

    async def handle(message: Any, _desk: WorkDesk) -> Effects:
        handled.append(type(message).__name__)
        return Effects(resource="orders/o")

    worker = await house.worker(unordered("payments", handle, patience_s=EVER))
    event = await house.send(cancelled())

    async def held() -> bool:
        return bool(worker.held["payments"])

    await until(held, "the event to be delivered")
    command = await house.send(ExpireOrder(order_id="o"), reply_to="nobody.replies")
    assert (await house.receipt(command, "payments"))["status"] == "succeeded"
    assert handled == [ExpireOrder.__name__]
    assert [each.envelope.id for each in worker.held["payments"]] == [event]
    await house.stop(worker)
    assert handled == [ExpireOrder.__name__, OrderCancelled.__name__]
    assert (await house.receipt(event, "payments"))["status"] == "succeeded"
    await house.empty("payments")


async def test_what_an_undertaker_hands_on_is_not_patient(house: House) -> None:
    """Its queue brings the next one only once this one is acked: there is no company to wait for."""
    await house.worker(unordered("payments", patience_s=EVER))
    envelope = envelope_of(cancelled())
    await house.publisher.publish(envelope, "", BY_NAME["payments"].undertaker)
    assert (await house.receipt(envelope.id, "payments"))["status"] == "failed"


async def test_a_worker_that_dies_gives_patient_events_back(house: House) -> None:
    """Not begun, not acked: the next worker has it."""
    worker = await house.worker(unordered("payments", patience_s=EVER))
    event = await house.send(cancelled())

    async def held() -> bool:
        return bool(worker.held["payments"])

    await until(held, "the event to be delivered")
    house.runtimes.remove(worker)
    await worker._close()
    await house.worker(unordered("payments"))
    receipt = await house.receipt(event, "payments")
    assert (receipt["status"], receipt["attempts"]) == ("succeeded", 1)


async def test_only_groups_that_nobody_waits_for_are_patient(
    mongo_database: AsyncDatabase[dict[str, Any]],
) -> None:
    """An order is confirmed once it is paid; mails and parcels come after."""
    made = groups((), Settings(), mongo_database)
    patient = {each.name for each in made if isinstance(each, UnorderedGroup) and each.patience_s}
    assert patient == {"shipments", "notifications"}

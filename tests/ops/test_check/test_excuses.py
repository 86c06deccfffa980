"""What excuses that something has not followed, and what does not: letters that stand, messages that wait."""

from datetime import datetime, timedelta

import pytest

from broker.dead import LAST
from broker.outbox import derived_id
from broker.topology import BY_NAME
from documents.actors import utc_now
from ops.check import Report, check
from ops.check.excuses import LONGEST_RETRY, replays
from ops.check.queues import Waiting
from ops.check.view import View
from tests.ops.test_check.plants import Plants, Row
from tests.ops.test_check.violations.common import long_ago
from tests.ops.test_check.violations.messages import journalled, waiting
from tests.ops.test_check.violations.money import cancelled_and_still_held

MINUTE = timedelta(minutes=1)


def broken(report: Report) -> dict[str, list[str]]:
    """Ids by the invariant that they break."""
    return {
        result.name: [each.id for each in result.listed] for result in report.results if result.violations
    }


def noticed(report: Report) -> dict[str, list[str]]:
    """Ids by the invariant that has a notice about them."""
    return {result.name: [each.id for each in result.noticed] for result in report.results if result.notices}


async def failed_to_void(plants: Plants) -> tuple[str, Row]:
    """A cancelled order whose money is still held, and the receipt of OrderCancelled, failed."""
    order = await cancelled_and_still_held(plants)
    receipt = await plants.one("receipts", {"group": "payments", "type": "OrderCancelled", "key": order})
    await plants.change("receipts", receipt["_id"], {"$set": {"status": "failed", "at": long_ago()}})
    return order, await plants.one("receipts", receipt["_id"])


async def dropped(plants: Plants, group: str, message_id: str, failed_at: datetime) -> None:
    """As `quire dead drop` leaves it."""
    entry = {"_id": f"drop:{message_id}", "deed": "dropped", "group": group, "message_id": message_id}
    await plants.database["audit"].insert_one({**entry, "headers": {LAST: failed_at.isoformat()}})


async def test_a_letter_excuses_while_it_stands(plants: Plants) -> None:
    """Money held for a cancelled order is a notice while somebody can see why, and broken once that is dropped."""
    order, receipt = await failed_to_void(plants)
    letter = journalled("payments.dead", receipt["message_id"], receipt["at"])
    await plants.database["broker_messages"].insert_one(letter)
    report = await check(plants.database, settle_s=1)
    assert (broken(report), noticed(report)) == ({}, {"cancelled-closed": [order]})
    await plants.database["broker_messages"].delete_one({"_id": letter["_id"]})
    await dropped(plants, "payments", receipt["message_id"], receipt["at"])
    report = await check(plants.database, settle_s=1)
    assert (broken(report), noticed(report)) == ({"cancelled-closed": [order]}, {})


async def test_only_what_is_about_it_excuses(plants: Plants) -> None:
    """A message that waits in a retry queue excuses the order that it is about, and no other one."""
    order = await cancelled_and_still_held(plants)
    journal = plants.database["broker_messages"]
    await journal.insert_one(waiting("payments.retry.10m", "somebody-else"))
    assert broken(await check(plants.database, settle_s=1)) == {"cancelled-closed": [order]}
    await journal.delete_many({})
    await journal.insert_one(waiting("payments.retry.10m", order))
    assert broken(await check(plants.database, settle_s=1)) == {}


@pytest.mark.parametrize(
    ("since", "replayed", "excused"),
    [(10 * MINUTE, None, True), (120 * MINUTE, None, False), (120 * MINUTE, 10 * MINUTE, True)],
)
async def test_where_bodies_cannot_be_read_the_excuse_is_bounded(
    plants: Plants, since: timedelta, replayed: timedelta | None, excused: bool
) -> None:
    """On RabbitMQ whatever waits excuses, but no longer than a message can be retried, a replay's time included."""
    assert 10 * MINUTE < LONGEST_RETRY < 120 * MINUTE
    now = utc_now()
    view = View(
        database=plants.database,
        gateway=plants.gateway,
        session=None,
        now=now,
        settle=MINUTE,
        waiting={"payments.retry.10m": Waiting(1)},
        replayed={} if replayed is None else {"payments": now - replayed},
    )
    assert view.waits("payments", ("o",), now - since) is excused
    assert not view.waits("orders", ("o",), now - since)


async def test_the_last_replay_of_each_group_is_known(plants: Plants) -> None:
    """One of all groups counts for each of them, and of several the latest does."""
    now = utc_now()
    runs = [("first", {}, 3 * MINUTE), ("second", {"group": "payments"}, MINUTE), ("third", {}, 5 * MINUTE)]
    await plants.database["audit"].insert_many(
        [
            {"_id": run, "deed": "replayed", "at": now - ago, "selection": {"forced": False, **selection}}
            for run, selection, ago in runs
        ]
    )
    found = await replays(plants.database)
    assert found == {**dict.fromkeys(BY_NAME, now - 3 * MINUTE), "payments": now - MINUTE}


async def poisoned(plants: Plants) -> Row:
    """A receipt in catalog that failed long ago, without a letter."""
    receipt = await plants.one("receipts", {"group": "catalog"})
    failed = {"_id": "catalog/poison", "message_id": "poison", "status": "failed", "rev": None}
    await plants.database["receipts"].insert_one({**receipt, **failed, "at": long_ago()})
    return await plants.one("receipts", "catalog/poison")


async def test_a_letter_beside_an_older_one_is_missed(plants: Plants) -> None:
    """The letter of an earlier failure is not the one that is missing, standing or dropped."""
    receipt = await poisoned(plants)
    older = receipt["at"] - MINUTE
    await plants.database["broker_messages"].insert_one(journalled("catalog.dead", "poison", older))
    report = await check(plants.database, settle_s=1)
    assert broken(report) == {"letter-receipt": ["catalog/poison"]}
    assert noticed(report) == {"letter-receipt": ["poison"]}
    await dropped(plants, "catalog", "poison", older)
    assert broken(await check(plants.database, settle_s=1)) == {"letter-receipt": ["catalog/poison"]}
    letter = journalled("catalog.dead", "poison", receipt["at"], number=1)
    await plants.database["broker_messages"].insert_one(letter)
    assert broken(await check(plants.database, settle_s=1)) == {}


async def test_a_doubled_letter_is_noticed_once(plants: Plants) -> None:
    """Delivery is at least once, so a letter can double: worth a look, and nothing is lost."""
    receipt = await poisoned(plants)
    letters = [journalled("catalog.dead", "poison", receipt["at"], number) for number in range(3)]
    await plants.database["broker_messages"].insert_many(letters)
    report = await check(plants.database, settle_s=1)
    assert (broken(report), noticed(report)) == ({}, {"letter-receipt": ["poison"]})
    named = next(result for result in report.results if result.name == "letter-receipt")
    assert "3 times" in named.noticed[0].detail


async def test_an_operation_that_failed_in_its_second_step_needs_no_letter(plants: Plants) -> None:
    """The letter is the second step's, in the group that could not take it in."""
    dispatch = await plants.one("receipts", {"type": "DispatchShipment"})
    taken = await plants.one("receipts", {"type": "ShipmentDispatched"})
    step = derived_id("handed-over", "ShipmentDispatched", 0)
    failed = {"status": "failed", "at": long_ago()}
    first = {**dispatch, **failed, "_id": "shipments/handed-over", "message_id": "handed-over"}
    second = {**taken, **failed, "_id": f"orders/{step}", "message_id": step}
    await plants.database["receipts"].insert_many([first, second])
    await plants.database["broker_messages"].insert_one(journalled("orders.dead", step))
    assert broken(await check(plants.database, settle_s=1)) == {}
    await plants.database["receipts"].delete_one({"_id": second["_id"]})
    await plants.database["broker_messages"].delete_many({})
    assert broken(await check(plants.database, settle_s=1)) == {"letter-receipt": ["shipments/handed-over"]}

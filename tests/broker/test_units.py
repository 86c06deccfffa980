"""Group commit: units that cannot be written together are told apart."""

import asyncio
from collections.abc import Sequence

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from broker.actors.store import Fenced
from broker.faults import CONFLICT_MAX_S, conflict_delay
from broker.units import GroupCommit, Unit
from documents.actors import utc_now
from documents.payments import Payment, PaymentStatus
from tests.broker.house import Database


def begun(order_id: str) -> Payment:
    """A payment that is about to be authorised, not yet written."""
    return Payment.begin(
        order_id, PaymentStatus.AUTHORISING, utc_now(), amount=100, currency="EUR", token="tok_ok"
    )


async def test_a_new_actor_that_somebody_else_made_fences_its_unit_alone(worker_database: Database) -> None:
    """An insert that is a duplicate is told as such, also when updates are written with it: those go through."""
    collection = Payment.get_pymongo_collection()
    for order_id in ("there", "moved"):
        write = begun(order_id).write()
        assert write.guard is None
        await collection.insert_one(write.change)
    raw = await collection.find_one({"_id": "moved"})
    assert raw is not None
    moved = Payment.loaded(raw)
    moved.move(PaymentStatus.AUTHORIZED, utc_now())
    commits = GroupCommit(worker_database.client)
    duplicate, update = Unit((begun("there"),)), Unit((moved,))
    together = [asyncio.create_task(commits.commit(unit)) for unit in (duplicate, update)]
    await asyncio.sleep(0)  # both wait before anything is written: they share a transaction
    running = asyncio.create_task(commits.run())
    with pytest.raises(Fenced):
        await together[0]
    await together[1]
    running.cancel()
    found = await collection.find_one({"_id": "moved"})
    assert found is not None
    assert found["status"] == PaymentStatus.AUTHORIZED.value


async def test_a_transaction_that_outlived_its_time_is_redone_in_halves(
    worker_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends what holds more than one unit: each is written alone."""
    commits = GroupCommit(worker_database.client)
    transaction = GroupCommit._transaction
    sizes = []

    async def outlived(commit: GroupCommit, units: Sequence[Unit], session: AsyncClientSession) -> None:
        sizes.append(len(units))
        if len(units) > 1:
            async with await session.start_transaction():
                await Payment.get_pymongo_collection().count_documents({}, session=session)
                await worker_database.client.admin.command("killSessions", [session.session_id])
                await Payment.get_pymongo_collection().count_documents({}, session=session)
        await transaction(commit, units, session)

    monkeypatch.setattr(GroupCommit, "_transaction", outlived)
    together = [asyncio.create_task(commits.commit(Unit((begun(f"o{n}"),)))) for n in range(3)]
    await asyncio.sleep(0)
    running = asyncio.create_task(commits.run())
    await asyncio.gather(*together)
    running.cancel()
    assert sizes == [3, 1, 2, 1, 1]


def test_the_delay_after_a_conflict_is_bounded() -> None:
    """However many conflicts there were."""
    assert 0 <= conflict_delay(100_000) <= CONFLICT_MAX_S

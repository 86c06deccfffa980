"""The table of a payment's moves, and what of it reaches the database."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.asynchronous.database import AsyncDatabase

from documents.payments import BEGINNINGS, INTENTS, MOVES, Payment, PaymentStatus
from documents.refusals import MoveNotAllowed
from tests.documents.writing import written
from tests.handlers.offline import tie

NOW = datetime(2026, 3, 1, tzinfo=UTC)
S = PaymentStatus


@pytest.fixture(autouse=True)
async def documents() -> None:
    """Payments can be made."""
    await tie(Payment)


def a_payment() -> Payment:
    """An intent to authorise."""
    return Payment.begin("o1", S.AUTHORISING, NOW, amount=100, currency="EUR", token="tok_ok")


def test_every_status_has_its_moves() -> None:
    """The table is complete, and every intent leads somewhere."""
    assert set(MOVES) == set(S)
    assert all(MOVES[each] for each in INTENTS)


def test_money_is_taken_only_after_it_was_held_and_never_after_a_void() -> None:
    """Whatever way through the table: captured implies authorized before, and no void on the way."""

    def walk(way: tuple[PaymentStatus, ...]) -> None:
        if way[-1] is S.CAPTURED:
            assert S.AUTHORIZED in way
            assert not {S.VOIDING, S.VOIDED, S.EXPIRED, S.DECLINED} & set(way)
        for target in MOVES[way[-1]]:
            walk((*way, target))

    for first in BEGINNINGS:
        walk((first,))


def test_a_change_names_the_message_that_it_was_made_for() -> None:
    """Those since it was loaded are this message's; what was written before stays another's."""
    payment = a_payment()
    payment.caused_by("placed")
    loaded = Payment.loaded(payment.stored())
    loaded.move(S.VOIDING, NOW)
    loaded.move(S.VOIDED, NOW)
    loaded.caused_by("cancelled")
    written = loaded.delta()["$set"]["history"]
    assert [change["cause"] for change in written] == ["placed", "cancelled", "cancelled"]


@given(way=st.lists(st.sampled_from(S)))
def test_a_refused_move_changes_nothing(way: list[PaymentStatus]) -> None:
    """Any sequence of moves: allowed ones are on record, refused ones leave no trace."""
    payment = a_payment()
    for target in way:
        before = payment.stored()
        if payment.can(target):
            payment.move(target, NOW)
            assert payment.history[-1].status is payment.status is target
        else:
            with pytest.raises(MoveNotAllowed):
                payment.move(target, NOW)
            assert payment.stored() == before
    assert payment.rev == len(payment.history)


@pytest.mark.parametrize("status", sorted(set(S) - BEGINNINGS))
def test_a_payment_begins_where_it_may(status: PaymentStatus) -> None:
    """Nothing is captured or refunded out of nowhere."""
    with pytest.raises(ValueError, match="o1"):
        Payment.begin("o1", status, NOW)


async def test_what_is_written_is_what_is_read(mongo_database: AsyncDatabase[dict[str, Any]]) -> None:
    """Insert, then an update guarded by the revision: the database has what the document has."""
    payment = a_payment()
    assert payment.write().guard is None
    collection = mongo_database["payments"]
    await written(collection, payment.write())
    loaded = Payment.loaded(await collection.find_one({"_id": "o1"}) or {})
    assert loaded.stored() == payment.stored()
    loaded.reference = "ch_1"
    loaded.move(S.AUTHORIZED, NOW, "because")
    assert await written(collection, loaded.write()) == 1
    assert Payment.loaded(await collection.find_one({"_id": "o1"}) or {}).stored() == loaded.stored()
    assert await written(collection, loaded.write()) == 0

"""Where a parcel can be, and what of it reaches the database."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.asynchronous.database import AsyncDatabase

from documents.refusals import MoveNotAllowed
from documents.shipments import LEFT, MOVES, Shipment, ShipmentLine, ShipmentStatus
from tests.documents.writing import written
from tests.handlers.offline import tie

NOW = datetime(2026, 3, 1, tzinfo=UTC)
S = ShipmentStatus


@pytest.fixture(autouse=True)
async def documents() -> None:
    """Shipments can be made."""
    await tie(Shipment)


def a_shipment() -> Shipment:
    """A parcel to pack."""
    return Shipment.prepare("o1", [ShipmentLine(isbn="9786600000017", title="Emma", quantity=1)], NOW)


def test_every_status_has_its_moves() -> None:
    """The table is complete."""
    assert set(MOVES) == set(S)


@given(steps=st.lists(st.sampled_from(["dispatch", "in_transit", "delivered", "cancel"])))
def test_a_parcel_goes_forward_or_not_at_all(steps: list[str]) -> None:
    """Any sequence: it never goes back, never leaves once it was cancelled, and a refusal changes nothing."""
    shipment = a_shipment()
    cancelled_at_home = False
    for step in steps:
        before = shipment.stored()
        try:
            if step == "dispatch":
                shipment.dispatch("Pony Post", "PP-1", NOW)
            elif step == "cancel":
                shipment.cancel(NOW, "changed my mind")
            else:
                shipment.report(S(step), NOW)
        except MoveNotAllowed:
            assert shipment.stored() == before
        if before["status"] in LEFT:
            assert LEFT.index(shipment.status) >= LEFT.index(before["status"])
        cancelled_at_home = cancelled_at_home or shipment.status is S.CANCELLED
        assert not (cancelled_at_home and shipment.status in LEFT)
    assert shipment.recall == (shipment.status in LEFT and "cancel" in steps)
    assert shipment.rev == len(shipment.history)


def test_a_change_names_the_message_that_it_was_made_for() -> None:
    """Those since it was loaded are this message's; what was written before stays another's."""
    shipment = a_shipment()
    shipment.caused_by("confirmed")
    loaded = Shipment.loaded(shipment.stored())
    loaded.dispatch("Pony Post", "PP-1", NOW)
    loaded.caused_by("handed over")
    written = loaded.delta()["$set"]["history"]
    assert [change["cause"] for change in written] == ["confirmed", "handed over"]


def test_a_recalled_parcel_is_not_handed_over_again() -> None:
    """The same hand-over, said again after the recall, is refused."""
    shipment = a_shipment()
    shipment.dispatch("Pony Post", "PP-1", NOW)
    shipment.cancel(NOW, None)
    with pytest.raises(MoveNotAllowed):
        shipment.dispatch("Pony Post", "PP-1", NOW)


async def test_what_is_written_is_what_is_read(mongo_database: AsyncDatabase[dict[str, Any]]) -> None:
    """Insert, then an update guarded by the revision: the database has what the document has."""
    shipment = a_shipment()
    collection = mongo_database["shipments"]
    await written(collection, shipment.write())
    loaded = Shipment.loaded(await collection.find_one({"_id": "o1"}) or {})
    assert loaded.stored() == shipment.stored()
    loaded.dispatch("Pony Post", "PP-1", NOW)
    loaded.cancel(NOW, "changed my mind")
    assert await written(collection, loaded.write()) == 1
    assert Shipment.loaded(await collection.find_one({"_id": "o1"}) or {}).stored() == loaded.stored()

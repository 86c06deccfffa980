"""`quire trace`: what a real system kept of an order, causes before effects."""

import asyncio
import json
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.servers import Mongod
from ops.trace import NoSuchOrder, trace
from tests.ops.test_check.conftest import Database, filled, plants
from tests.ops.test_check.journeys import Journeys
from tests.ops.test_check.plants import Plants
from tests.ops.test_trace.steps import above, steps_of

__all__ = ["filled", "plants"]

DELIVERED = [
    ("PlaceOrder", ["carts"]),
    ("OrderPlaced", ["notifications", "payments"]),
    ("PaymentAuthorized", ["orders"]),
    ("OrderConfirmed", ["notifications", "shipments"]),
    ("DispatchShipment", ["shipments"]),
    ("ShipmentDispatched", ["orders"]),
    ("OrderShipped", ["notifications", "payments"]),
    ("RecordCarrierEvent", ["shipments"]),
    ("ShipmentDelivered", ["orders"]),
    ("OrderDelivered", ["notifications"]),
]
CAUSED_BY = {
    "OrderPlaced": "PlaceOrder",
    "PaymentAuthorized": "OrderPlaced",
    "OrderConfirmed": "PaymentAuthorized",
    "ShipmentDispatched": "DispatchShipment",
    "OrderShipped": "ShipmentDispatched",
    "ShipmentDelivered": "RecordCarrierEvent",
    "OrderDelivered": "ShipmentDelivered",
}


async def test_a_delivered_order_is_told_in_full(filled: tuple[Database, Journeys]) -> None:
    """Every message of a purchase, with a receipt of every group that it went to, beneath what caused it."""
    database, journeys = filled
    steps = await steps_of(database, journeys.orders["delivered"])
    messages = [step for step in steps if step["kind"] == "message"]
    receipts = {
        message["what"]: sorted(
            step["what"] for step in steps if step["kind"] == "receipt" and above(steps, step) is message
        )
        for message in messages
    }
    assert receipts == dict(DELIVERED)
    for message in messages:
        cause = above(steps, message)
        assert (cause["what"] if cause else None) == CAUSED_BY.get(message["what"])


async def test_every_change_stands_beneath_the_receipt_that_made_it(
    filled: tuple[Database, Journeys],
) -> None:
    """States, stock, the gateway's entries and mails, all of them, and none by itself."""
    database, journeys = filled
    steps = await steps_of(database, journeys.orders["delivered"])

    def changes(kind: str, what: str | None = None) -> list[tuple[str, str]]:
        found = [step for step in steps if step["kind"] == kind and what in (None, step["what"])]
        told = []
        for step in found:
            receipt = above(steps, step)
            assert receipt is not None
            assert receipt["kind"] == "receipt"
            message = above(steps, receipt)
            assert message is not None
            told.append((step["status"], message["what"]))
        return told

    assert changes("state", "order") == [
        ("placed", "PlaceOrder"),
        ("confirmed", "PaymentAuthorized"),
        ("shipped", "ShipmentDispatched"),
        ("delivered", "ShipmentDelivered"),
    ]
    assert changes("state", "payment") == [
        ("authorising", "OrderPlaced"),
        ("authorized", "OrderPlaced"),
        ("capturing", "OrderShipped"),
        ("captured", "OrderShipped"),
    ]
    assert changes("state", "shipment") == [
        ("preparing", "OrderConfirmed"),
        ("dispatched", "DispatchShipment"),
        ("delivered", "RecordCarrierEvent"),
    ]
    assert changes("charge") == [("authorized", "OrderPlaced"), ("captured", "OrderShipped")]
    assert changes("stock") == [("reserved", "PlaceOrder")] * 2 + [("sold", "ShipmentDispatched")] * 2
    mailed = ("OrderPlaced", "OrderConfirmed", "OrderShipped", "OrderDelivered")
    # In no order: a mail waits for company, and what else its event led to stands before it.
    assert sorted(changes("mail")) == sorted(("sent", event) for event in mailed)


async def test_a_refund_is_told(filled: tuple[Database, Journeys]) -> None:
    """The order waits for its money to go back; changes of payment and parcel name the messages they stand beneath."""
    database, journeys = filled
    steps = await steps_of(database, journeys.orders["refunded"])
    states = [step for step in steps if step["kind"] == "state"]
    assert [step["status"] for step in states if step["what"] == "order"] == [
        "placed",
        "confirmed",
        "shipped",
        "cancelling",
        "refunded",
    ]
    for step in states:
        if step["what"] != "order":
            receipt = above(steps, step)
            assert receipt is not None
            message = above(steps, receipt)
            assert message is not None
            assert step["cause"] == message["id"]


async def test_causes_come_before_effects(filled: tuple[Database, Journeys]) -> None:
    """Nothing is deeper than one below what stands before it, and a message never before its cause."""
    database, journeys = filled
    for order in journeys.orders.values():
        steps = await steps_of(database, order)
        assert all(after["depth"] <= before["depth"] + 1 for before, after in pairwise(steps))
        roots = [step for step in steps if step["depth"] == 0]
        assert {step["kind"] for step in roots} == {"message"}
        assert [step["at"] for step in roots] == sorted(step["at"] for step in roots)
        assert steps[0]["what"] == "PlaceOrder"
        assert min(step["after_ms"] for step in steps) == 0


async def test_other_correlations_belong_to_it(filled: tuple[Database, Journeys]) -> None:
    """A cancellation is another request; what it did to the order is part of its story, another order's is not."""
    database, journeys = filled
    steps = await steps_of(database, journeys.orders["voided"])
    ids = {step["what"]: step["correlation_id"] for step in steps if step["kind"] == "message"}
    assert ids["CancelOrder"] != ids["PlaceOrder"]
    assert ids["OrderCancelled"] == ids["CancelOrder"]
    assert "DispatchShipment" not in ids


async def test_an_old_order_still_has_its_states(plants: Plants) -> None:
    """Receipts go after 30 days; states, stock and mails stay, and it says what is missing."""
    await plants.database["receipts"].delete_many({})
    found = await trace(plants.database, plants.orders["delivered"])
    states = [step.status for _, step in found.walk() if step.kind == "state" and step.what == "order"]
    assert states == ["placed", "confirmed", "shipped", "delivered"]
    assert any("not kept any more" in remark for remark in found.remarks)


async def test_an_unknown_order_is_an_error(
    filled: tuple[Database, Journeys], mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which order, and exits with 1; a known one is printed, for people and for machines."""
    database, journeys = filled
    with pytest.raises(NoSuchOrder, match="o-nowhere"):
        await trace(database, "o-nowhere")
    monkeypatch.setenv("QUIRE_MONGODB_URL", mongod.url)
    monkeypatch.setenv("QUIRE_DATABASE", database.name)
    done = await asyncio.to_thread(CliRunner().invoke, app, ["trace", "o-nowhere"])
    assert done.exit_code == 1
    assert "there is no order o-nowhere" in done.output
    order = journeys.orders["delivered"]
    done = await asyncio.to_thread(CliRunner().invoke, app, ["trace", order])
    assert done.exit_code == 0, done.output
    assert f"Order {order} is delivered" in done.output
    done = await asyncio.to_thread(CliRunner().invoke, app, ["trace", order, "--json"])
    assert json.loads(done.output)["order"] == order

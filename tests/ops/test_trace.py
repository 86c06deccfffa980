"""`quire trace`: what a real system kept of an order, causes before effects."""

import asyncio
import json
from datetime import timedelta
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from broker.embedded.messages import Properties, encode_properties
from broker.messages import SYSTEM, Envelope, ExpireOrder, pack
from documents.actors import utc_now
from ops.cli import app
from ops.servers import Mongod
from ops.trace import NoSuchOrder, Trace, show, trace
from tests.ops.test_check.conftest import Database, filled, plants
from tests.ops.test_check.journeys import Journeys
from tests.ops.test_check.plants import Plants

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


async def steps_of(database: Database, order: str) -> list[dict[str, Any]]:
    """The steps as --json has them."""
    steps: list[dict[str, Any]] = (await trace(database, order)).plain()["steps"]
    return steps


def above(steps: list[dict[str, Any]], step: dict[str, Any]) -> dict[str, Any] | None:
    """The step that this one stands beneath."""
    before = steps[: steps.index(step)]
    return next((each for each in reversed(before) if each["depth"] == step["depth"] - 1), None)


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
    assert changes("mail") == [("sent", event) for event in mailed]


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


async def test_what_is_on_its_way_and_what_is_dead(plants: Plants) -> None:
    """Rows of the outbox, messages in queues and dead letters stand where they belong."""
    order = plants.orders["confirmed"]
    now = utc_now()
    command = ExpireOrder(order_id=order)
    envelope = Envelope(
        id="expire-it",
        type="ExpireOrder",
        version=1,
        key=order,
        sender=SYSTEM,
        accepted_at=now,
        correlation_id="c",
        data=pack(command),
    )
    mail = await plants.one("receipts", {"group": "notifications", "key": order, "type": "OrderConfirmed"})
    properties = {
        "payments.retry.10s": Properties(message_id="expire-it", message_type="ExpireOrder", delivery_mode=2),
        "notifications.dead": Properties(
            message_id=mail["message_id"],
            message_type="OrderConfirmed",
            delivery_mode=2,
            headers={
                "x-quire-origin-queue": "notifications",
                "x-quire-reason": "attempts spent",
                "x-quire-error": "MailRefused: no",
                "x-quire-attempts": 5,
                "x-quire-last-failed-at": now.isoformat(),
            },
        ),
    }
    await plants.database["broker_messages"].insert_many(
        [
            {
                "_id": 10**15 + n,
                "q": queue,
                "e": "",
                "k": queue,
                "p": encode_properties(each),
                "b": envelope.to_bytes(),
            }
            for n, (queue, each) in enumerate(properties.items())
        ]
    )
    row = {
        "_id": "row",
        "message_id": "m",
        "type": "ExpireOrder",
        "exchange": "quire.commands",
        "routing_key": "payments.1",
        "correlation_id": mail["correlation_id"],
    }
    await plants.database["outbox"].insert_one(
        {**row, "body": envelope.to_bytes(), "created_at": now, "lease_until": now}
    )
    steps = await steps_of(plants.database, order)
    dead = next(step for step in steps if step["kind"] == "dead")
    beneath = above(steps, dead)
    assert beneath is not None
    assert (dead["what"], dead["status"], dead["attempts"], dead["error"], beneath["what"]) == (
        "notifications.dead",
        "attempts spent",
        5,
        "MailRefused: no",
        "OrderConfirmed",
    )
    waiting = next(step for step in steps if step["kind"] == "waiting")
    assert (waiting["what"], waiting["id"]) == ("payments.retry.10s", "expire-it")
    assert next(step for step in steps if step["kind"] == "outbox")["to"] == "quire.commands payments.1"


async def test_a_failure_that_was_replayed_is_told(plants: Plants) -> None:
    """The outcome took its place: what failed, when and why, who sent it round again, and what the receipt keeps."""
    order = plants.orders["confirmed"]
    receipt = await plants.one("receipts", {"group": "payments", "key": order, "type": "OrderPlaced"})
    failed_at = receipt["at"] - timedelta(seconds=13)
    told = (
        f"{failed_at.isoformat()} attempts spent after 12 attempts in payments: GatewayUnreachable: no answer"
    )
    replayed = {"replay": "run-1", "supersedes": failed_at, "failed_rev": 1, "failures": [told]}
    await plants.change("receipts", receipt["_id"], {"$set": replayed})
    entry = {"deed": "replayed", "by": "user:ada", "at": failed_at + timedelta(seconds=9), "why": ""}
    await plants.database["audit"].insert_one(
        {"_id": "run-1", **entry, "selection": {"forced": True}, "counts": {"replayed": 1}}
    )
    found = await trace(plants.database, order)
    steps = found.plain()["steps"]
    mine = [step for step in steps if step["kind"] in ("failure", "deed", "receipt") and _about(steps, step)]
    mine = [step for step in mine if step["what"] in ("payments", "payments.dead")]
    assert [(step["kind"], step["what"], step["status"]) for step in mine] == [
        ("failure", "payments", "failed"),
        ("deed", "payments.dead", "replayed"),
        ("receipt", "payments", "succeeded"),
    ]
    failure, deed, outcome = mine
    assert failure["failure"] == told.partition(" ")[2]
    assert (deed["by"], deed["run"], deed["counts"]) == ("user:ada", "run-1", {"replayed": 1})
    assert (outcome["replay"], outcome["supersedes"], outcome["failed_rev"]) == (
        "run-1",
        failed_at.isoformat(),
        1,
    )
    text = printed(found)
    assert "GatewayUnreachable: no answer" in text
    assert "by user:ada, run run-1, forced" in text
    assert f"took the place of the failure at {failed_at:%F %T}Z" in text


async def test_a_letter_that_was_dropped_is_told(plants: Plants) -> None:
    """The receipt goes on saying failed; who dropped the letter, when and why stands beneath its message."""
    order = plants.orders["confirmed"]
    receipt = await plants.one("receipts", {"group": "payments", "key": order, "type": "OrderPlaced"})
    problem = {"code": "operation_failed", "reason": "handler raised"}
    await plants.change("receipts", receipt["_id"], {"$set": {"status": "failed", "problem": problem}})
    earlier = "2026-01-01T00:00:00+00:00 attempts spent after 2 attempts in payments: Transient: not yet"
    headers = {
        "x-quire-origin-queue": "payments",
        "x-quire-reason": "handler raised",
        "x-quire-error": "ValueError: no amount",
        "x-quire-attempts": 1,
        "x-quire-history": [earlier],
    }
    at = receipt["at"] + timedelta(hours=1)
    entry = {"deed": "dropped", "by": "user:bob", "at": at, "why": "paid by hand", "group": "payments"}
    about = {"message_id": receipt["message_id"], "type": "OrderPlaced", "headers": headers, "body": b"{}"}
    await plants.database["audit"].insert_one({"_id": "drop:payments:1", **entry, **about})
    found = await trace(plants.database, order)
    steps = found.plain()["steps"]
    deed = next(step for step in steps if step["kind"] == "deed")
    assert _about(steps, deed)
    assert (deed["status"], deed["by"], deed["why"], deed["at"]) == (
        "dropped",
        "user:bob",
        "paid by hand",
        at.isoformat(),
    )
    assert next(step for step in steps if step["kind"] == "failure")["failure"] == earlier.partition(" ")[2]
    text = printed(found)
    assert (
        "by user:bob: paid by hand; handler raised after 1 attempt in payments: ValueError: no amount" in text
    )
    assert "1 attempt, operation_failed, handler raised" in text


def _about(steps: list[dict[str, Any]], step: dict[str, Any]) -> bool:
    """Whether a step stands beneath the message that asks for the money."""
    message = above(steps, step)
    return message is not None and message["what"] == "OrderPlaced"


def printed(found: Trace) -> str:
    """A trace as people read it."""
    console = Console(width=400, file=StringIO())
    show(found, console)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    return text


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

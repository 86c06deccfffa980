"""What `quire trace` reads: along indexes, and with --all also what no document leads to."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.servers import Mongod
from ops.trace import trace
from tests.ops.test_check.conftest import Database, filled, plants
from tests.ops.test_check.journeys import Journeys
from tests.ops.test_check.plants import Plants

__all__ = ["filled", "plants"]

SMALL = ("outbox", "broker_messages")  # hold what waits, and nothing for long


@pytest.mark.parametrize("everything", [False, True])
async def test_no_collection_that_grows_is_scanned(
    filled: tuple[Database, Journeys], everything: bool
) -> None:
    """Every query but those of what waits is answered by an index; that of the outbox sends only its own rows."""
    database, journeys = filled
    await database.command("profile", 2)
    try:
        for order in journeys.orders.values():
            await trace(database, order, everything=everything)
    finally:
        await database.command("profile", 0)
    ours = {"op": "query", "ns": {"$not": {"$regex": "system.profile$"}}}
    asked = await database["system.profile"].find(ours).to_list()
    await database.drop_collection("system.profile")
    scanned = {
        each["ns"].removeprefix(f"{database.name}.") for each in asked if "COLLSCAN" in each["planSummary"]
    }
    assert scanned <= set(SMALL)
    looked = {each["ns"].removeprefix(f"{database.name}.") for each in asked}
    assert {"receipts", "movements", "audit", "outbox"} <= looked
    filters = [each["command"]["filter"] for each in asked if each["ns"].endswith(".outbox")]
    assert all("correlation_id" in each for each in filters)


async def test_documents_lead_to_every_message(filled: tuple[Database, Journeys]) -> None:
    """Of orders of every kind nothing is missing that a look through all receipts finds."""
    database, journeys = filled
    for order in journeys.orders.values():
        quick, slow = await trace(database, order), await trace(database, order, everything=True)
        assert quick.plain() == slow.plain()
        assert quick.remarks == ()


async def test_a_repeat_that_changed_nothing_is_found_among_all(
    plants: Plants, mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changed nothing, so nothing leads to it but a look through all receipts since the order was placed."""
    order = plants.orders["delivered"]
    like = await plants.one("receipts", {"key": order, "type": "DispatchShipment"})
    repeat = {"_id": "shipments/again", "message_id": "again", "correlation_id": "another"}
    await plants.database["receipts"].insert_one({**like, **repeat})
    assert "again" not in await messages(plants.database, order)
    assert "again" in await messages(plants.database, order, everything=True)
    monkeypatch.setenv("QUIRE_MONGODB_URL", mongod.url)
    monkeypatch.setenv("QUIRE_DATABASE", plants.database.name)
    done = await asyncio.to_thread(CliRunner().invoke, app, ["trace", order, "--all", "--json"])
    assert "again" in [step.get("id") for step in json.loads(done.output)["steps"]]


async def test_a_refused_command_is_found(plants: Plants) -> None:
    """Nothing leads to it either, but the index of what was refused."""
    order = plants.orders["delivered"]
    like = await plants.one("receipts", {"key": order, "type": "DispatchShipment"})
    refused = {
        "_id": "shipments/again",
        "message_id": "again",
        "correlation_id": "another",
        "status": "rejected",
        "problem": {"code": "conflict"},
    }
    await plants.database["receipts"].insert_one({**like, **refused})
    assert "again" in await messages(plants.database, order)


async def test_changes_of_an_earlier_release_are_pointed_out(plants: Plants) -> None:
    """They name no message, so those of another correlation are missing; with --all they are not."""
    order = plants.orders["delivered"]
    await plants.change("shipments", order, {"$unset": {"history.$[].cause": ""}})
    found = await trace(plants.database, order)
    assert any("--all" in remark for remark in found.remarks)
    everything = await trace(plants.database, order, everything=True)
    assert everything.remarks == ()
    assert "RecordCarrierEvent" in [step.what for _, step in everything.walk()]


async def test_an_order_leads_to_the_refund_that_was_asked_for(plants: Plants) -> None:
    """Even before the payment knows of it: the order itself names the command."""
    order = plants.orders["refunded"]
    await plants.change("payments", order, {"$unset": {"history.$[].cause": ""}})
    found = await trace(plants.database, order)
    assert {"CancelOrder", "RefundRequested"} <= {step.what for _, step in found.walk()}


async def messages(database: Database, order: str, **options: Any) -> set[str]:
    """The ids of the messages that a trace tells of."""
    found = await trace(database, order, **options)
    return {step.detail["id"] for _, step in found.walk() if step.kind == "message"}

"""What is no violation, what cannot be looked at, and how it is told."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.check import CHECKS, BrokerAddress, check
from ops.check.findings import LISTED_MAX
from ops.cli import app
from ops.servers import Mongod
from tests.ops.test_check.conftest import Database
from tests.ops.test_check.journeys import Journeys
from tests.ops.test_check.plants import Plants
from tests.ops.test_check.violations.goods import more_available_than_there_is
from tests.ops.test_check.violations.messages import (
    a_failure_without_a_letter,
    a_message_that_is_never_sent,
    journalled,
    waiting,
)
from tests.ops.test_check.violations.parcels import a_mail_that_never_left

PAGE = Path(__file__).parents[3] / "docs" / "check.md"


def test_every_invariant_is_documented() -> None:
    """docs/check.md has a line for each invariant, in their order, and for nothing else."""
    assert re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), re.MULTILINE) == [each.name for each in CHECKS]


async def test_what_is_under_way_is_no_violation(plants: Plants) -> None:
    """A row of the outbox that is young enough, and the mail of an hour ago, hold with a longer grace period."""
    await a_message_that_is_never_sent(plants)
    await a_mail_that_never_left(plants)
    assert (await check(plants.database, settle_s=7200)).violations == 0


async def test_what_waits_for_its_next_attempt_is_a_notice(plants: Plants) -> None:
    """A mail that is late is a violation, unless a message still waits for its attempt to send it."""
    order = await a_mail_that_never_left(plants)
    await plants.database["broker_messages"].insert_one(waiting("notifications.retry.10m", order))
    report = await check(plants.database, settle_s=1)
    noticed = {
        result.name: [each.id for each in result.noticed] for result in report.results if result.notices
    }
    assert report.violations == 0
    assert noticed == {"mail-left": [order], "queue-empty": ["notifications.retry.10m"]}


async def test_a_dead_letter_explains_what_did_not_follow(plants: Plants) -> None:
    """What a message that failed has not done is noticed: the letter is where somebody looks."""
    order = await a_mail_that_never_left(plants)
    receipt = await plants.one("receipts", {"group": "notifications", "key": order, "type": "OrderConfirmed"})
    await plants.change("receipts", receipt["_id"], {"$set": {"status": "failed"}})
    letter = journalled("notifications.dead", receipt["message_id"])
    await plants.database["broker_messages"].insert_one(letter)
    report = await check(plants.database, settle_s=1)
    assert report.violations == 0
    assert [result.name for result in report.results if result.notices] == ["mail-left"]


async def test_a_letter_that_was_dropped_is_accounted_for(plants: Plants) -> None:
    """A failed receipt without a letter holds where the audit has it dropped."""
    await a_failure_without_a_letter(plants)
    entry = {"_id": "drop", "deed": "dropped", "group": "catalog", "message_id": "purged", "why": "a test"}
    await plants.database["audit"].insert_one(entry)
    assert (await check(plants.database, settle_s=1)).violations == 0
    await plants.database["audit"].delete_one({"_id": "drop"})
    assert (await check(plants.database, settle_s=1)).violations == 1


async def test_a_parcel_to_be_called_back_is_a_notice(plants: Plants) -> None:
    """An order that was cancelled with its parcel on the way is kept in sight until somebody has it back."""
    order = plants.orders["refunded"]
    parcel = await plants.one("shipments", order)
    change = {**parcel["history"][-1], "rev": parcel["rev"] + 1}
    state = {"recall": True, "rev": parcel["rev"] + 1, "history": [*parcel["history"], change]}
    await plants.change("shipments", order, {"$set": state})
    report = await check(plants.database, settle_s=1)
    noticed = {
        result.name: [each.id for each in result.noticed] for result in report.results if result.notices
    }
    assert (report.violations, noticed) == (0, {"parcel-agrees": [order]})


async def test_many_violations_are_counted_and_some_named(plants: Plants) -> None:
    """However much is broken, the list stays short and the count is right."""
    rows = [{"_id": f"o-{number:03}", "status": "voided"} for number in range(LISTED_MAX + 5)]
    charges = [{**row, "amount": 0, "currency": "", "entries": []} for row in rows]
    await plants.gateway["charges"].insert_many(charges)
    report = await check(plants.database, settle_s=1)
    named = next(result for result in report.results if result.name == "charge-order")
    assert (named.violations, [each.id for each in named.listed]) == (
        LISTED_MAX + 5,
        [row["_id"] for row in rows[:LISTED_MAX]],
    )


async def test_a_broker_that_is_away_is_said(filled: tuple[Database, Journeys]) -> None:
    """Queues and dead letters that could not be looked at are named as such, and the rest is checked."""
    away = BrokerAddress("amqp://127.0.0.1:1/")
    report = await check(filled[0], away, settle_s=1)
    assert [result.name for result in report.results if result.skipped] == ["queue-empty", "letter-receipt"]
    assert any("did not answer" in remark for remark in report.remarks)
    assert (report.holds, report.unseen) == (None, ("queue-empty", "letter-receipt"))


async def test_an_embedded_broker_without_a_journal_is_empty(plants: Plants) -> None:
    """A fresh instance has kept no message yet: all of it was looked at."""
    await plants.database["broker_messages"].drop()
    report = await check(plants.database, settle_s=1)
    assert (report.holds, report.unseen) == (True, ())
    assert any("no journal yet" in remark for remark in report.remarks)


@pytest.fixture
def settings(filled: tuple[Database, Journeys], mongod: Mongod, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line finds the filled database."""
    monkeypatch.setenv("QUIRE_MONGODB_URL", mongod.url)
    monkeypatch.setenv("QUIRE_DATABASE", filled[0].name)


def command(*args: str) -> tuple[int, str]:
    """Exit code and output of `quire ARGS`, in a thread of its own: it brings its own event loop."""
    done = CliRunner().invoke(app, args)
    return done.exit_code, done.output


async def test_the_command_says_that_all_holds(settings: None) -> None:
    """Exit code 0, and the table names every invariant."""
    code, output = await asyncio.to_thread(command, "check", "--settle", "1")
    assert code == 0, output
    assert "Every promise holds" in output
    assert all(each.name in output for each in CHECKS)


async def test_the_command_names_what_is_broken(settings: None, plants: Plants) -> None:
    """Exit code 1, and the offending id, for people and for machines."""
    isbn = await more_available_than_there_is(plants)
    code, output = await asyncio.to_thread(command, "check", "--settle", "1")
    assert code == 1
    assert f"stock-available {isbn}" in output
    code, output = await asyncio.to_thread(command, "check", "--settle", "1", "--json")
    told = json.loads(output)
    broken = [each for each in told["invariants"] if each["violations"]]
    assert (code, told["holds"], told["violations"]) == (1, False, 1)
    assert [(each["name"], each["listed"][0]["id"]) for each in broken] == [("stock-available", isbn)]
    assert told["unseen"] == []


async def test_the_command_does_not_promise_what_it_has_not_seen(
    settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a broker the verdict says what was left out, and `holds` is null; nothing was found broken."""
    monkeypatch.setenv("QUIRE_RABBITMQ_URL", "amqp://127.0.0.1:1/")
    code, output = await asyncio.to_thread(command, "check", "--settle", "1")
    assert code == 0, output
    assert "Every promise holds" not in output
    assert "What was looked at holds, not looked at: queue-empty, letter-receipt" in output
    code, output = await asyncio.to_thread(command, "check", "--settle", "1", "--json")
    told = json.loads(output)
    assert (code, told["holds"], told["unseen"]) == (0, None, ["queue-empty", "letter-receipt"])


@pytest.mark.parametrize("name", ["check", "trace"])
async def test_a_database_that_is_away_is_no_broken_promise(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Exit code 2, and for machines an object that says why."""
    monkeypatch.setenv("QUIRE_MONGODB_URL", "mongodb://127.0.0.1:1/")
    args = (name, "an-order", "--json") if name == "trace" else (name, "--json")
    done = await asyncio.to_thread(CliRunner().invoke, app, args)
    assert done.exit_code == 2
    assert "127.0.0.1:1" in json.loads(done.stdout)["error"]


@pytest.mark.parametrize("settle", ["inf", "nan", "1e9", "-1"])
def test_a_grace_period_has_bounds(settle: str) -> None:
    """What is no number of seconds that anybody could mean is refused by the command line."""
    done = CliRunner().invoke(app, ["check", "--settle", settle])
    assert done.exit_code == 2
    assert "Invalid value" in done.output

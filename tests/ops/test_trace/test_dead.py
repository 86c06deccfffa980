"""What is on its way, what is dead, and what staff did with it, in a trace."""

from datetime import timedelta
from typing import Any

from broker.embedded.messages import Properties, encode_properties
from broker.messages import SYSTEM, Envelope, ExpireOrder, pack
from documents.actors import utc_now
from ops.trace import trace
from tests.ops.test_check.conftest import filled, plants
from tests.ops.test_check.plants import Plants
from tests.ops.test_trace.steps import above, printed, steps_of

__all__ = ["filled", "plants"]


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

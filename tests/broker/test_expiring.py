"""The look for due orders: everybody's turn comes, whoever stands in front."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from broker.messages import Envelope
from broker.publish import BrokerUnavailable, OutcomeUnknown, Unroutable
from documents.actors import utc_now
from handlers.expiry import DUE_MAX, Expiring, due
from tests.broker.house import Database

BEYOND = DUE_MAX + 1


class Wire:
    """Takes what is published, unless there is an error to raise."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None

    async def publish(self, envelope: Envelope, _exchange: str, _routing_key: str) -> None:
        """As a publisher does."""
        if self.error is not None:
            raise self.error
        self.asked.append(envelope.key)


async def waiting(database: Database, ids: Sequence[str], *, at_once: bool = False) -> None:
    """Orders that nobody has paid for, the first the longest due; or all since the same millisecond."""
    began = utc_now() - timedelta(hours=1)
    rows = [
        {
            "_id": order_id,
            "sender": "guest",
            "placed_by": order_id,
            "status": "placed",
            "due_at": began if at_once else began + timedelta(milliseconds=number),
        }
        for number, order_id in enumerate(ids)
    ]
    await database["orders"].insert_many(rows)


def looking(wire: Wire) -> Expiring:
    """The work of one worker."""
    return Expiring(wire)  # type: ignore[arg-type]  # only its publish is asked for


@pytest.mark.parametrize("at_once", [False, True])
async def test_orders_that_stay_due_hold_up_nobody(worker_database: Database, at_once: bool) -> None:
    """A look goes on behind the one before, and begins again at the end: every order is asked for in its turn."""
    orders = [f"o{number:04}" for number in range(BEYOND)]
    await waiting(worker_database, orders, at_once=at_once)
    wire = Wire()
    look = looking(wire)
    assert [await look(), await look(), await look()] == [DUE_MAX, 1, DUE_MAX]
    assert wire.asked == [*orders, *orders[:DUE_MAX]]


async def test_an_expiry_that_has_a_receipt_is_not_sent_again(worker_database: Database) -> None:
    """It failed, and its letter waits for a person; what is sent under its id has no effect, so it is left out."""
    orders = [f"o{number}" for number in range(3)]
    await waiting(worker_database, orders)
    await worker_database["receipts"].insert_one(
        {"_id": "payments/expire:o1", "status": "failed", "at": utc_now()}
    )
    wire = Wire()
    assert await looking(wire)() == 2
    assert wire.asked == ["o0", "o2"]


@pytest.mark.parametrize("error", [Unroutable("no queue"), BrokerUnavailable("away"), OutcomeUnknown("?")])
async def test_a_broker_that_takes_nothing_is_for_the_next_look(
    worker_database: Database, error: Exception
) -> None:
    """It is logged, the worker lives, and the next look begins with the order that did not get through."""
    await waiting(worker_database, ["o0", "o1"])
    wire = Wire()
    look = looking(wire)
    wire.error = error
    with capture_logs() as logs:
        assert await look() == 0
    assert [(entry["event"], entry["order_id"]) for entry in logs] == [("expiry.later", "o0")]
    wire.error = None
    assert await look() == 2
    assert wire.asked == ["o0", "o1"]


def stages(plan: dict[str, Any]) -> list[str]:
    """The stages of a query's plan, the outermost first."""
    inner = plan.get("inputStage")
    return [plan["stage"], *(stages(inner) if inner else ())]


async def test_due_orders_are_read_off_their_index(worker_database: Database) -> None:
    """In its order, without a sort and without a look at those that are not due."""
    await waiting(worker_database, ["o0"])
    behind = {"_id": "o", "due_at": utc_now() - timedelta(days=1)}
    for wanted in (due(utc_now()), due(utc_now(), behind)):
        found = worker_database["orders"].find(wanted).sort([("due_at", 1), ("_id", 1)])
        plan = stages((await found.limit(DUE_MAX).explain())["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in plan
        assert not {"SORT", "COLLSCAN"} & set(plan)

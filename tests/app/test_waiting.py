"""Looking at receipts: together, and no longer than a sender waits."""

import asyncio
from collections.abc import Iterable

import pytest
from httpx import AsyncClient
from pymongo.errors import NetworkTimeout, PyMongoError

from app import commands, waiting
from app.waiting import Receipts
from documents.operations import Receipt, receipt_id
from tests.app.edges import ScriptedWorker, add, guest_cart, until


async def kept(group: str, message_id: str, status: str) -> None:
    """A receipt as a worker leaves it."""
    await Receipt.get_pymongo_collection().insert_one(
        {"_id": receipt_id(group, message_id), "status": status, "fingerprint": "f", "resource": None}
        | {"problem": None, "result": None, "group": group}
    )


@pytest.mark.usefixtures("database")
async def test_those_who_ask_at_the_same_moment_share_a_query_and_get_their_own_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A receipt is found in whichever group has it; where there is none, there is no answer."""
    await kept("orders", "m1", "succeeded")
    await kept("carts", "m2", "rejected")
    asked: list[int] = []
    find = waiting._find

    async def counted(names: list[str]) -> waiting.Found:
        asked.append(len(names))
        return await find(names)

    monkeypatch.setattr(waiting, "_find", counted)
    receipts = Receipts()
    ids = ("m1", "m2", "m3")
    found = await asyncio.gather(*(receipts.of(("carts", "orders"), each) for each in ids))
    assert [each and (each.group, each.status.value) for each in found] == [
        ("orders", "succeeded"),
        ("carts", "rejected"),
        None,
    ]
    assert asked == [6]


async def test_a_database_that_does_not_answer_is_told_to_all_who_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And an answer that could not be looked up is none: the command was accepted all the same."""

    async def away(_: Iterable[str]) -> waiting.Found:
        raise NetworkTimeout("no answer")

    monkeypatch.setattr(waiting, "_find", away)
    receipts = Receipts()
    told = await asyncio.gather(
        *(receipts.of(("carts",), each) for each in ("m1", "m2")), return_exceptions=True
    )
    assert [isinstance(each, PyMongoError) for each in told] == [True, True]
    assert await receipts.outcome("carts", "m1", 0.0, None, asyncio.Event()) is None


async def test_a_look_up_that_takes_long_keeps_no_command_out(
    client: AsyncClient, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier try came to is a courtesy; the query that hangs is nobody's to wait for."""

    async def hang(_: list[str]) -> waiting.Found:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(waiting, "_find", hang)
    monkeypatch.setattr(commands, "LOOK_UP_S", 0.01)
    cart_id, token = await guest_cart(client)
    sent = await add(client, cart_id, {**token, "Idempotency-Key": "again"})
    assert sent.status_code == 202
    await until(lambda: len(worker.received) == 1)

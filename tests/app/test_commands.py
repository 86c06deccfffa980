"""A command's way in and its answer."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient

from app.application import Edge
from broker.messages import Envelope
from broker.publish import BrokerUnavailable, MessageTooLarge, OutcomeUnknown, Publisher, Unroutable
from documents.operations import Outcome
from tests.app.conftest import Database
from tests.app.edges import (
    ISBN,
    WAIT,
    ScriptedWorker,
    Verdict,
    add,
    guest_cart,
    make_edge,
    problem,
    serving,
    until,
)


async def test_accepted(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A command is answered with 202, the Location of its operation and the pending operation as body."""
    cart_id, token = await guest_cart(client)
    response = await add(client, cart_id, token)
    assert response.status_code == 202
    body = response.json()
    assert response.headers["location"] == f"/v1/operations/{body['id']}"
    assert body == {
        "id": body["id"],
        "status": "pending",
        "resource": f"carts/{cart_id}",
        "result": None,
        "problem": None,
        "replayable": False,
    }


async def test_envelope(client: AsyncClient, worker: ScriptedWorker) -> None:
    """The envelope names sender, key, correlation and trace, and the command inside is normalised."""
    cart_id, token = await guest_cart(client)
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {**token, "X-Correlation-ID": "shop-42", "traceparent": traceparent}
    response = await add(client, cart_id, headers, isbn="0-306-40615-2")
    assert response.headers["x-correlation-id"] == "shop-42"
    await until(lambda: len(worker.received) == 1)
    envelope = worker.received[0]
    assert (envelope.type, envelope.key, envelope.version) == ("AddItem", cart_id, 1)
    assert envelope.sender.id == f"guest:{cart_id}"
    assert envelope.sender.holds == (cart_id,)
    assert envelope.correlation_id == "shop-42"
    assert envelope.traceparent == traceparent
    assert len(envelope.fingerprint) == 32
    assert ISBN.encode() in bytes(envelope.data)


@pytest.mark.parametrize("sent", ["x" * 65, "a b", "é"])
async def test_unfit_correlation_id(client: AsyncClient, sent: str) -> None:
    """A correlation id that is unfit for logs is replaced by one of ours."""
    response = await client.get("/health/live", headers=[(b"X-Correlation-ID", sent.encode())])
    assert response.headers["x-correlation-id"] != sent
    assert len(response.headers["x-correlation-id"]) == 36


async def test_malformed_traceparent(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A traceparent that is not well-formed goes no further."""
    cart_id, token = await guest_cart(client)
    await add(client, cart_id, {**token, "traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01"})
    await until(lambda: len(worker.received) == 1)
    assert worker.received[0].traceparent is None


async def test_waiting(client: AsyncClient, worker: ScriptedWorker) -> None:
    """With Prefer: wait a success is 200 with the operation, and the resource as it now is as result."""
    cart_id, token = await guest_cart(client)
    response = await add(client, cart_id, {**token, **WAIT})
    assert response.status_code == 200
    assert response.headers["preference-applied"] == "wait=10"
    body = response.json()
    assert body["status"] == "succeeded"
    assert body["result"]["id"] == cart_id
    again = await client.get(response.headers["location"], headers=token)
    assert again.status_code == 200
    assert again.json() == body


@pytest.mark.parametrize("listening", [True, False])
async def test_a_stop_ends_the_waiting(
    client: AsyncClient, worker: ScriptedWorker, edge: Edge, monkeypatch: pytest.MonkeyPatch, listening: bool
) -> None:
    """Who waits when the process is to stop reads at once that it was accepted; who asks then is not kept waiting."""

    async def never(_: Envelope) -> Verdict:
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it")

    worker.decide = never
    if not listening:
        monkeypatch.setattr(type(edge.listener), "ready", False)
    cart_id, token = await guest_cart(client)
    adding = asyncio.create_task(add(client, cart_id, {**token, "Prefer": "wait=30"}))
    await until(lambda: len(worker.received) == 1)
    edge.leave()
    for response in (await adding, await add(client, cart_id, {**token, "Prefer": "wait=30"})):
        assert (response.status_code, response.json()["status"]) == (202, "pending")


async def test_rejection(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A rule that says no is a problem with its own code and details; the operation says the same."""

    async def refuse(_: Envelope) -> Verdict:
        detail = {"code": "not_for_sale", "detail": "Book is not for sale", "isbn": ISBN, "status": "sold"}
        return Verdict(Outcome.REJECTED, problem=detail)

    worker.decide = refuse
    cart_id, token = await guest_cart(client)
    response = await add(client, cart_id, {**token, **WAIT})
    body = problem(response, 409, "not_for_sale")
    assert body["actor_status"] == "sold"
    assert body["isbn"] == ISBN
    assert response.headers["location"] == f"/v1/operations/{body['operation']}"
    read = await client.get(response.headers["location"], headers=token)
    assert read.status_code == 200
    assert read.json()["status"] == "rejected"
    assert read.json()["problem"]["code"] == "not_for_sale"
    assert read.json()["replayable"] is False


async def test_never_works(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A rejection of input that can never work is a 422."""

    async def refuse(_: Envelope) -> Verdict:
        return Verdict(Outcome.REJECTED, problem={"code": "quantity_too_large", "detail": "Too many"})

    worker.decide = refuse
    cart_id, token = await guest_cart(client)
    problem(await add(client, cart_id, {**token, **WAIT}), 422, "quantity_too_large")


async def test_failure(client: AsyncClient, worker: ScriptedWorker, database: Database) -> None:
    """A command that failed is a 500 that tells nothing of the inside; its operation can be replayed until dropped."""

    async def fail(_: Envelope) -> Verdict:
        return Verdict(Outcome.FAILED, problem={"code": "bug", "detail": "KeyError: 'secret'"})

    worker.decide = fail
    cart_id, token = await guest_cart(client)
    response = await add(client, cart_id, {**token, **WAIT})
    body = problem(response, 500, "operation_failed")
    assert "secret" not in response.text
    read = await client.get(f"/v1/operations/{body['operation']}", headers=token)
    assert read.json()["status"] == "failed"
    assert read.json()["replayable"] is True
    assert "secret" not in read.text
    await database.receipts.update_one({"status": "failed"}, {"$set": {"dropped": True}})
    read = await client.get(f"/v1/operations/{body['operation']}", headers=token)
    assert (read.json()["status"], read.json()["replayable"]) == ("failed", False)


async def test_still_running(client: AsyncClient, worker: ScriptedWorker) -> None:
    """After N seconds without an outcome the answer is the pending operation."""
    hold = asyncio.Event()

    async def late(_: Envelope) -> Verdict:
        await hold.wait()
        return Verdict()

    worker.decide = late
    cart_id, token = await guest_cart(client)
    response = await add(client, cart_id, {**token, "Prefer": "wait=1"})
    hold.set()
    assert response.status_code == 202
    assert response.json()["status"] == "pending"


async def test_lost_reply(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A reply that is lost costs time, not the answer: the receipt is read once more."""

    async def silent(_: Envelope) -> Verdict:
        return Verdict(reply=False)

    worker.decide = silent
    cart_id, token = await guest_cart(client)
    response = await add(client, cart_id, {**token, "Prefer": "wait=1"})
    assert response.status_code == 200
    assert response.json()["status"] == "succeeded"


async def test_waiting_without_ears(edge: Edge, worker: ScriptedWorker) -> None:
    """Where the consuming connection does not stand, waiting looks at the receipt instead."""
    async with serving(edge) as client:
        cart_id, token = await guest_cart(client)
        await edge.listener.close()
        response = await add(client, cart_id, {**token, **WAIT})
        assert response.status_code == 200


async def test_waiters_leave(edge: Edge, client: AsyncClient, worker: ScriptedWorker) -> None:
    """Nobody is waited for any more once the answers are out."""
    cart_id, token = await guest_cart(client)
    await asyncio.gather(*(add(client, cart_id, {**token, **WAIT}) for _ in range(20)))
    await until(lambda: len(edge.replies) == 0)


class BrokenPublisher(Publisher):
    """A publisher that ends every publish in the same way."""

    def __init__(self, error: Exception) -> None:
        super().__init__("amqp://127.0.0.1:1/", name="broken")
        self._error = error

    async def publish(self, *args: Any, **kwargs: Any) -> None:
        """Raises."""
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BrokerUnavailable("away"), 503, "broker_unavailable"),
        (Unroutable("no queue"), 503, "broker_unavailable"),
        (OutcomeUnknown("no confirm"), 504, "outcome_unknown"),
        (MessageTooLarge("2 MB"), 413, "too_large"),
    ],
)
async def test_not_published(edge: Edge, error: Exception, status: int, code: str) -> None:
    """What the broker does not take is never a 202."""
    edge.publisher = BrokenPublisher(error)
    async with serving(edge) as client:
        cart_id, token = await guest_cart(client)
        response = await add(client, cart_id, {**token, **WAIT})
        problem(response, status, code)
        assert ("retry-after" in response.headers) == (status == 503)
        if status == 504:
            operation = await client.get(response.headers["location"], headers=token)
            assert operation.json()["status"] == "pending"
        await until(lambda: len(edge.replies) == 0)


async def test_broker_away(database: Any) -> None:
    """Without a broker the edge serves reads, stays ready and names it; commands are 503 with Retry-After."""
    away = "amqp://127.0.0.1:1/"
    edge = make_edge(away, Publisher(away, name="away"))
    async with serving(edge, listening=False) as client:
        cart_id, token = await guest_cart(client)
        response = await add(client, cart_id, token)
        problem(response, 503, "broker_unavailable")
        assert int(response.headers["retry-after"]) > 0
        ready = await client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.json()["parts"]["broker"]["ok"] is False
        assert (await client.get(f"/v1/carts/{cart_id}", headers=token)).status_code == 200


async def test_published_is_counted(client: AsyncClient, worker: ScriptedWorker) -> None:
    """The metrics count what was published, and answers by route template rather than by path."""
    cart_id, token = await guest_cart(client)
    await add(client, cart_id, token)
    text = (await client.get("/metrics")).text
    assert 'quire_commands_published_total{outcome="accepted",type="AddItem"} 1.0' in text
    assert 'route="/v1/carts/{cart_id}/items",status="202"' in text
    assert cart_id not in text

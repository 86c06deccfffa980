"""Operations: the same key is the same one, and it opens to the credential that sent its command."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from httpx import AsyncClient

from app.application import Edge
from app.security.capabilities import Operation, operation_id
from broker.messages import Envelope
from tests.app.edges import (
    STAFF,
    WAIT,
    ScriptedWorker,
    Verdict,
    add,
    guest_cart,
    problem,
    sign_in,
    until,
)


async def test_same_key_same_operation(client: AsyncClient, worker: ScriptedWorker) -> None:
    """The same key and request give the same operation; once it is done, nothing is sent again."""
    cart_id, token = await guest_cart(client)
    headers = {**token, "Idempotency-Key": "once"}
    first = await add(client, cart_id, headers)
    await until(lambda: len(worker.received) == 1)
    second = await add(client, cart_id, {**headers, **WAIT})
    assert second.status_code == 200
    third = await add(client, cart_id, {**headers, **WAIT})
    assert first.json()["id"] == second.json()["id"] == third.json()["id"]
    assert {envelope.id for envelope in worker.received} == {worker.received[0].id}
    count = len(worker.received)
    await add(client, cart_id, headers)
    assert len(worker.received) == count


async def test_key_reused(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A key that comes with another request is a 422 at once, where the first one's receipt is there."""
    cart_id, token = await guest_cart(client)
    headers = {**token, "Idempotency-Key": "once", **WAIT}
    assert (await add(client, cart_id, headers)).status_code == 200
    problem(await add(client, cart_id, headers, quantity=2), 422, "idempotency_key_reused")
    problem(
        await client.delete(f"/v1/carts/{cart_id}", headers={**token, "Idempotency-Key": "once"}),
        422,
        "idempotency_key_reused",
    )
    assert len(worker.received) == 1


async def test_key_reused_before_its_receipt(client: AsyncClient, worker: ScriptedWorker) -> None:
    """Where both are under way, the operation whose fingerprint is not the receipt's is the one that is rejected."""
    hold = asyncio.Event()

    async def late(_: Envelope) -> Verdict:
        await hold.wait()
        return Verdict()

    worker.decide = late
    cart_id, token = await guest_cart(client)
    headers = {**token, "Idempotency-Key": "once"}
    first = await add(client, cart_id, headers)
    second = await add(client, cart_id, headers, quantity=2)
    assert first.json()["id"] != second.json()["id"]
    hold.set()
    assert (await add(client, cart_id, {**headers, **WAIT})).status_code == 200
    rejected = (await client.get(second.headers["location"], headers=token)).json()
    assert rejected["status"] == "rejected"
    assert rejected["problem"]["code"] == "idempotency_key_reused"
    assert (await client.get(first.headers["location"], headers=token)).json()["status"] == "succeeded"


async def test_keys_of_two_senders(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A key belongs to its sender: two guests may use the same one."""
    for _ in range(2):
        cart_id, token = await guest_cart(client)
        response = await add(client, cart_id, {**token, "Idempotency-Key": "mine", **WAIT})
        assert response.status_code == 200
    assert len({envelope.id for envelope in worker.received}) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_bad_key(client: AsyncClient, key: str) -> None:
    """A key that is empty, too long or not printable is a 400."""
    cart_id, token = await guest_cart(client)
    problem(await add(client, cart_id, {**token, "Idempotency-Key": key}), 400, "bad_idempotency_key")


async def test_operation_of_another(client: AsyncClient, worker: ScriptedWorker) -> None:
    """An operation opens to the credential that sent its command alone: 401 without one, 404 for another's."""
    cart_id, token = await guest_cart(client)
    location = (await add(client, cart_id, token)).headers["location"]
    problem(await client.get(location), 401, "unauthorized")
    _, other = await guest_cart(client)
    problem(await client.get(location, headers=other), 404, "not_found")
    problem(await client.get(location, headers=STAFF), 404, "not_found")
    assert (await client.get(location, headers=token)).status_code == 200


async def test_operation_of_a_shopper(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A shopper's operation opens to their bearer, not to another shopper's."""
    ada, bob = await sign_in(client), await sign_in(client, "bob@example.com")
    cart_id = (await client.post("/v1/carts", headers=ada)).json()["id"]
    location = (await add(client, cart_id, ada)).headers["location"]
    assert (await client.get(location, headers=ada)).status_code == 200
    problem(await client.get(location, headers=bob), 404, "not_found")


@pytest.mark.parametrize("made_up", ["nonsense", "x" * 2000, "AAAA" * 30, "é"])
async def test_made_up_operation(client: AsyncClient, made_up: str) -> None:
    """A made-up operation is a 404."""
    problem(await client.get(f"/v1/operations/{made_up}", headers=STAFF), 404, "not_found")


async def test_changed_operation(client: AsyncClient, worker: ScriptedWorker) -> None:
    """An operation id with one character changed is a 404."""
    cart_id, token = await guest_cart(client)
    name = (await add(client, cart_id, token)).json()["id"]
    for place in (0, len(name) // 2, len(name) - 3):
        changed = name[:place] + ("A" if name[place] != "A" else "B") + name[place + 1 :]
        problem(await client.get(f"/v1/operations/{changed}", headers=token), 404, "not_found")


async def test_old_operation(edge: Edge, client: AsyncClient) -> None:
    """An operation older than 30 days is a 410."""
    cart_id, token = await guest_cart(client)
    day = (datetime.now(UTC) - timedelta(days=32) - datetime(2020, 1, 1, tzinfo=UTC)).days
    operation = Operation("carts", "0" * 32, "0" * 32, f"guest:{cart_id}", f"carts/{cart_id}", day)
    name = operation_id(edge.keyring, operation)
    problem(await client.get(f"/v1/operations/{name}", headers=token), 410, "operation_expired")

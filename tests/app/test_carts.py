"""Carts over HTTP: whose they are, and what may be asked of them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from httpx import AsyncClient

from app.application import Edge
from app.security.capabilities import cart_token, new_cart_id
from app.security.keys import Keyring
from documents.carts import Cart, CartLine, CartStatus
from tests.app.edges import ISBN, STAFF, ScriptedWorker, guest_cart, problem, sign_in, until

LINE = CartLine(title="A book", quantity=2, unit_price=1299)


async def store(cart_id: str, **fields: Any) -> None:
    """A cart as a worker wrote it."""
    cart = Cart(id=cart_id, rev=3, currency="EUR", lines={ISBN: LINE}, updated_at=datetime.now(UTC))
    await Cart.get_pymongo_collection().insert_one(cart.model_copy(update=fields).stored())


async def test_new_cart(client: AsyncClient) -> None:
    """A guest's new cart is empty, at revision 0, and nothing of it is stored."""
    cart_id, token = await guest_cart(client)
    response = await client.get(f"/v1/carts/{cart_id}", headers=token)
    assert response.status_code == 200
    assert response.json() == {
        "id": cart_id,
        "rev": 0,
        "lines": [],
        "total": {"amount": 0, "currency": "EUR"},
    }
    assert await Cart.get_pymongo_collection().count_documents({}) == 0


async def test_every_guest_gets_another(client: AsyncClient) -> None:
    """Every guest's cart is another one."""
    assert len({(await guest_cart(client))[0] for _ in range(20)}) == 20


async def test_own_cart(client: AsyncClient) -> None:
    """Signed in, it is the shopper's own cart, always the same, and needs no token."""
    ada = await sign_in(client)
    first = (await client.post("/v1/carts", headers=ada)).json()
    second = (await client.post("/v1/carts", headers=ada)).json()
    assert first == second
    assert first["token"] is None
    assert (await client.get(f"/v1/carts/{first['id']}", headers=ada)).status_code == 200


async def test_lines(client: AsyncClient) -> None:
    """A cart shows its lines with their prices, and the sums."""
    cart_id, token = await guest_cart(client)
    await store(cart_id)
    body = (await client.get(f"/v1/carts/{cart_id}", headers=token)).json()
    assert body == {
        "id": cart_id,
        "rev": 3,
        "lines": [
            {
                "isbn": ISBN,
                "title": "A book",
                "quantity": 2,
                "unit_price": {"amount": 1299, "currency": "EUR"},
                "total": {"amount": 2598, "currency": "EUR"},
            }
        ],
        "total": {"amount": 2598, "currency": "EUR"},
    }


async def test_etag(client: AsyncClient) -> None:
    """Who has the cart as it is gets a 304; after a change it comes again."""
    cart_id, token = await guest_cart(client)
    first = await client.get(f"/v1/carts/{cart_id}", headers=token)
    headers = {**token, "If-None-Match": first.headers["etag"]}
    unchanged = await client.get(f"/v1/carts/{cart_id}", headers=headers)
    assert unchanged.status_code == 304
    assert unchanged.content == b""
    assert unchanged.headers["etag"] == first.headers["etag"]
    await store(cart_id)
    assert (await client.get(f"/v1/carts/{cart_id}", headers=headers)).status_code == 200


async def test_merged_away(client: AsyncClient) -> None:
    """A cart that was merged away is a 410 that names where its lines went."""
    cart_id, token = await guest_cart(client)
    await store(cart_id, status=CartStatus.MERGED, merged_into="u1", lines={})
    body = problem(await client.get(f"/v1/carts/{cart_id}", headers=token), 410, "cart_merged")
    assert body["merged_into"] == "u1"


async def test_no_credential(client: AsyncClient) -> None:
    """Without any credential a cart is a 401."""
    cart_id, _ = await guest_cart(client)
    response = await client.get(f"/v1/carts/{cart_id}")
    problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")
    ada = await sign_in(client)
    own = (await client.post("/v1/carts", headers=ada)).json()["id"]
    problem(await client.get(f"/v1/carts/{own}"), 401, "unauthorized")


async def test_another_s(client: AsyncClient) -> None:
    """Another's cart is a 404, for guests, shoppers and staff alike."""
    cart_id, token = await guest_cart(client)
    _, other = await guest_cart(client)
    ada, bob = await sign_in(client), await sign_in(client, "bob@example.com")
    own = (await client.post("/v1/carts", headers=ada)).json()["id"]
    for path, headers in [
        (cart_id, other),
        (cart_id, ada),
        (own, bob),
        (own, {**token, **bob}),
        (own, STAFF),
    ]:
        problem(await client.get(f"/v1/carts/{path}", headers=headers), 404, "not_found")
        problem(await client.delete(f"/v1/carts/{path}", headers=headers), 404, "not_found")


@pytest.mark.parametrize("made_up", ["nonsense", "g" + "a" * 24, "u" + "0" * 31, "g", "é"])
async def test_made_up(client: AsyncClient, made_up: str) -> None:
    """A made-up cart is a 404, whatever token comes along."""
    for headers in ({}, {"Cart-Token": "abc"}, STAFF):
        problem(await client.get(f"/v1/carts/{made_up}", headers=headers), 404, "not_found")


async def test_token_of_a_made_up_id(edge: Edge, client: AsyncClient) -> None:
    """An id that other keys signed is not ours, even with a token that fits it."""
    foreign = new_cart_id(Keyring.generate())
    token = {"Cart-Token": cart_token(edge.keyring, foreign)}
    problem(await client.get(f"/v1/carts/{foreign}", headers=token), 404, "not_found")


async def test_shortened_token(client: AsyncClient) -> None:
    """A token that was cut short opens nothing."""
    cart_id, token = await guest_cart(client)
    for length in (0, 4, 21):
        cut = {"Cart-Token": token["Cart-Token"][:length]}
        problem(await client.get(f"/v1/carts/{cart_id}", headers=cut), 404, "not_found")


async def test_every_command(client: AsyncClient, worker: ScriptedWorker) -> None:
    """Every change of a cart is a command of its own kind, in the cart's mailbox."""
    cart_id, token = await guest_cart(client)
    base = f"/v1/carts/{cart_id}"
    calls = [
        ("POST", f"{base}/items", {"isbn": ISBN, "quantity": 1}, "AddItem"),
        ("PUT", f"{base}/items/0306406152", {"quantity": 999}, "SetItem"),
        ("DELETE", f"{base}/items/978-0-306-40615-7", None, "RemoveItem"),
        ("DELETE", base, None, "ClearCart"),
    ]
    for method, path, body, _ in calls:
        response = await client.request(method, path, json=body, headers=token)
        assert response.status_code == 202, response.text
    await until(lambda: len(worker.received) == len(calls))
    assert [envelope.type for envelope in worker.received] == [kind for _, _, _, kind in calls]
    assert {envelope.key for envelope in worker.received} == {cart_id}


@pytest.mark.parametrize("quantity", [0, -1, 1000, 1.5, "two", None, True])
async def test_quantity(client: AsyncClient, quantity: Any) -> None:
    """A quantity is a whole number from 1 to 999; anything else is a 422 that names the field."""
    cart_id, token = await guest_cart(client)
    body = problem(
        await client.post(
            f"/v1/carts/{cart_id}/items", json={"isbn": ISBN, "quantity": quantity}, headers=token
        ),
        422,
        "invalid_input",
    )
    assert [error["field"] for error in body["errors"]] == ["quantity"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"quantity": 1}, "isbn"),
        ({"isbn": ISBN, "quantity": 1, "color": "red"}, "color"),
        ({"isbn": 9780306406157, "quantity": 1}, "isbn"),
    ],
)
async def test_fields(client: AsyncClient, body: dict[str, Any], field: str) -> None:
    """A field that is missing, unknown or of another type is a 422 that names it."""
    cart_id, token = await guest_cart(client)
    response = await client.post(f"/v1/carts/{cart_id}/items", json=body, headers=token)
    assert field in str(problem(response, 422, "invalid_input")["errors"])


@pytest.mark.parametrize("isbn", ["9780306406158", "123", "978030640615X"])
async def test_isbn(client: AsyncClient, isbn: str) -> None:
    """A text that is no ISBN is a 422, in the body and in the path."""
    cart_id, token = await guest_cart(client)
    base = f"/v1/carts/{cart_id}/items"
    problem(await client.post(base, json={"isbn": isbn, "quantity": 1}, headers=token), 422, "bad_isbn")
    problem(await client.put(f"{base}/{isbn}", json={"quantity": 1}, headers=token), 422, "bad_isbn")
    problem(await client.delete(f"{base}/{isbn}", headers=token), 422, "bad_isbn")


async def test_broken_json(client: AsyncClient) -> None:
    """A body that is not JSON is a 400."""
    cart_id, token = await guest_cart(client)
    for body in (b"{", b"\xff", b'{"isbn": NaN}'):
        response = await client.post(f"/v1/carts/{cart_id}/items", content=body, headers=token)
        problem(response, 400, "bad_json")


async def test_no_body(client: AsyncClient) -> None:
    """A body that is missing is a 422 that says so."""
    cart_id, token = await guest_cart(client)
    body = problem(await client.post(f"/v1/carts/{cart_id}/items", headers=token), 422, "invalid_input")
    assert body["errors"] == [{"field": "body", "message": "is missing"}]


async def test_large_body(client: AsyncClient) -> None:
    """A body beyond the limit is a 413, also where no length was announced."""
    cart_id, token = await guest_cart(client)
    large = b'{"isbn": "' + b"1" * 1_000_001 + b'"}'

    async def chunks() -> Any:
        yield large

    for content in (large, chunks()):
        response = await client.post(f"/v1/carts/{cart_id}/items", content=content, headers=token)
        problem(response, 413, "too_large")


async def test_merge(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A merge goes to the source cart, and its sender holds the source by its token."""
    source, source_token = await guest_cart(client)
    ada = await sign_in(client)
    target = (await client.post("/v1/carts", headers=ada)).json()["id"]
    body = {"cart_id": source, "token": source_token["Cart-Token"]}
    response = await client.post(f"/v1/carts/{target}/merge", json=body, headers=ada)
    assert response.status_code == 202
    assert response.json()["resource"] == f"carts/{target}"
    await until(lambda: len(worker.received) == 1)
    envelope = worker.received[0]
    assert (envelope.type, envelope.key) == ("MergeCart", source)
    assert envelope.sender.holds == (source,)
    assert envelope.sender.id.startswith("user:")
    assert target.encode() in bytes(envelope.data)


async def test_merge_of_guests(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A guest may merge one cart into another; the one that stays names the sender and reads the operation."""
    source, source_token = await guest_cart(client)
    target, token = await guest_cart(client)
    body = {"cart_id": source, "token": source_token["Cart-Token"]}
    response = await client.post(f"/v1/carts/{target}/merge", json=body, headers=token)
    await until(lambda: len(worker.received) == 1)
    assert worker.received[0].sender.id == f"guest:{target}"
    assert set(worker.received[0].sender.holds) == {source, target}
    assert (await client.get(response.headers["location"], headers=token)).status_code == 200


async def test_merge_of_another_s(client: AsyncClient) -> None:
    """A cart is merged only with its own token; a shopper's own cart is never a source."""
    source, _ = await guest_cart(client)
    target, token = await guest_cart(client)
    ada = await sign_in(client)
    own = (await client.post("/v1/carts", headers=ada)).json()["id"]
    for cart_id in (source, own, "nonsense"):
        body = {"cart_id": cart_id, "token": token["Cart-Token"]}
        response = await client.post(f"/v1/carts/{target}/merge", json=body, headers=token)
        problem(response, 404, "not_found")


async def test_merge_with_itself(client: AsyncClient) -> None:
    """A cart cannot be merged into itself."""
    cart_id, token = await guest_cart(client)
    body = {"cart_id": cart_id, "token": token["Cart-Token"]}
    response = await client.post(f"/v1/carts/{cart_id}/merge", json=body, headers=token)
    problem(response, 422, "cannot_merge_itself")


async def test_shopper_with_a_guest_s_token(client: AsyncClient, worker: ScriptedWorker) -> None:
    """Signed in with a guest's token, it is the account that acts, and it holds the cart."""
    cart_id, token = await guest_cart(client)
    ada = await sign_in(client)
    response = await client.delete(f"/v1/carts/{cart_id}", headers={**token, **ada})
    assert response.status_code == 202
    await until(lambda: len(worker.received) == 1)
    assert worker.received[0].sender.id.startswith("user:")
    assert worker.received[0].sender.holds == (cart_id,)

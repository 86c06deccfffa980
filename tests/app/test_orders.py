"""Orders and shipments over HTTP: who may place, read, list, cancel and send them."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from httpx import AsyncClient

from app.application import Edge
from app.security.capabilities import order_id_of, order_token
from broker.messages import PlaceOrder
from documents.accounts import User
from documents.orders import OrderStatus
from documents.shipments import Shipment, ShipmentLine
from tests.app.edges import HOME, ISBN, STAFF, ScriptedWorker, guest_cart, order_body, problem, sign_in, until
from tests.app.purchases import AT, make_order, move, store

KEY = {"Idempotency-Key": "order-1"}


async def user_id(email: str = "ada@example.com") -> str:
    """The id of an account."""
    user = await User.find_one({"email": email})
    assert user is not None
    return user.id


async def test_place(edge: Edge, client: AsyncClient, worker: ScriptedWorker) -> None:
    """An order is a command in its cart's mailbox; its id follows from the command's, so a retry orders once."""
    cart_id, token = await guest_cart(client)
    total = {"amount": 2988, "currency": "EUR"}
    body = order_body(cart_id, expected_total=total, shipping_address={**HOME, "country": "gb", "line2": " "})
    first = await client.post("/v1/orders", json=body, headers={**token, **KEY})
    second = await client.post("/v1/orders", json=body, headers={**token, **KEY})
    assert first.status_code == second.status_code == 202
    assert first.json()["resource"] == second.json()["resource"]
    await until(lambda: bool(worker.received))
    envelope = worker.received[0]
    assert (envelope.type, envelope.key) == ("PlaceOrder", cart_id)
    order = msgspec.json.decode(envelope.data, type=PlaceOrder)
    assert order.order_id == order_id_of(envelope.id)
    assert first.json()["resource"] == f"orders/{order.order_id}"
    assert order.expected_total == 2988
    assert order.shipping_address.country == "GB"
    assert order.shipping_address.line2 is None
    assert order.email == "ada@example.com"
    assert order.guest_token == order_token(edge.keyring, order.order_id)


async def test_account_s_email(client: AsyncClient, worker: ScriptedWorker) -> None:
    """A shopper need not say where mail goes: the account knows; another address may be given. It opens the order."""
    ada = await sign_in(client)
    cart_id = (await client.post("/v1/carts", headers=ada)).json()["id"]
    for place, email in enumerate([None, "else@example.com"]):
        body = order_body(cart_id, email=email)
        headers = {**ada, "Idempotency-Key": str(place)}
        assert (await client.post("/v1/orders", json=body, headers=headers)).status_code == 202
    await until(lambda: len(worker.received) == 2)
    orders = [msgspec.json.decode(envelope.data, type=PlaceOrder) for envelope in worker.received]
    assert [order.email for order in orders] == ["ada@example.com", "else@example.com"]
    assert [order.guest_token for order in orders] == [None, None]


async def test_key_required(client: AsyncClient) -> None:
    """An order without an Idempotency-Key is a 400: a retry would order twice."""
    cart_id, token = await guest_cart(client)
    response = await client.post("/v1/orders", json=order_body(cart_id), headers=token)
    problem(response, 400, "idempotency_key_required")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": None}, "email"),
        ({"email": "nobody"}, "email"),
        ({"shipping_method": "drone"}, "shipping_method"),
        ({"shipping_address": {**HOME, "country": "XX"}}, "shipping_address.country"),
        ({"shipping_address": {**HOME, "country": "Germany"}}, "country"),
        ({"shipping_address": {**HOME, "name": " "}}, "name"),
        ({"shipping_address": {**HOME, "city": "Lon\ndon"}}, "shipping_address.city"),
        ({"shipping_address": {"name": "Ada"}}, "line1"),
        ({"payment": {"token": ""}}, "token"),
        ({"payment": {"token": "x" * 256}}, "token"),
        ({"payment": {}}, "token"),
        ({"expected_total": {"amount": 1, "currency": "USD"}}, "expected_total.currency"),
        ({"expected_total": {"amount": -1, "currency": "EUR"}}, "expected_total.amount"),
        ({"expected_total": {"amount": 1.5, "currency": "EUR"}}, "amount"),
        ({"expected_total": 12}, "expected_total"),
    ],
)
async def test_fields(
    client: AsyncClient, worker: ScriptedWorker, changes: dict[str, Any], field: str
) -> None:
    """What can never be an order is a 422 that names the field, before anything is sent."""
    cart_id, token = await guest_cart(client)
    response = await client.post("/v1/orders", json=order_body(cart_id, **changes), headers={**token, **KEY})
    body = problem(response, 422, "invalid_input")
    assert any(field in error["field"] or field in error["message"] for error in body["errors"]), body
    assert worker.received == []


async def test_order_of_a_foreign_cart(client: AsyncClient) -> None:
    """An order is placed from one's own cart: 401 without a credential, 404 with another's."""
    cart_id, _ = await guest_cart(client)
    _, other = await guest_cart(client)
    body = order_body(cart_id)
    problem(await client.post("/v1/orders", json=body, headers=KEY), 401, "unauthorized")
    problem(await client.post("/v1/orders", json=body, headers={**KEY, **other}), 404, "not_found")


async def test_read(edge: Edge, client: AsyncClient) -> None:
    """An order shows what the contract names, money as amount and currency, and the token that opens it."""
    order = await move(make_order(), OrderStatus.CONFIRMED)
    token = order_token(edge.keyring, order.id)
    response = await client.get(f"/v1/orders/{order.id}", headers={"Order-Token": token})
    assert response.status_code == 200
    euro = {"currency": "EUR"}
    body = response.json()
    assert body == {
        "id": order.id,
        "rev": 2,
        "status": "confirmed",
        "lines": [
            {
                "isbn": ISBN,
                "title": "A book",
                "quantity": 2,
                "unit_price": {"amount": 1299, **euro},
                "total": {"amount": 2598, **euro},
            }
        ],
        "subtotal": {"amount": 2598, **euro},
        "shipping": {"amount": 390, **euro},
        "tax": {"amount": 195, **euro},
        "total": {"amount": 2988, **euro},
        "token": token,
        "placed_at": "2026-11-02T09:30:00Z",
        "email": "ada@example.com",
        "shipping_address": {**HOME, "line2": None},
        "shipping_method": "standard",
        "carrier": None,
        "tracking_number": None,
        "refund_pending": False,
        "history": [
            {"rev": 1, "status": "placed", "at": "2026-11-02T09:30:00Z", "reason": None},
            {"rev": 2, "status": "confirmed", "at": "2026-11-02T09:31:00Z", "reason": None},
        ],
    }
    assert "tok_ok" not in response.text
    headers = {"Order-Token": token, "If-None-Match": response.headers["etag"]}
    assert (await client.get(f"/v1/orders/{order.id}", headers=headers)).status_code == 304


async def test_who_reads(edge: Edge, client: AsyncClient) -> None:
    """An order opens to its owner, to its token and to staff, who do not see the token; nobody is 401, others 404."""
    ada, bob = await sign_in(client), await sign_in(client, "bob@example.com")
    order = await store(make_order(owner=await user_id()))
    other = await store(make_order("b"))
    path = f"/v1/orders/{order.id}"
    own = await client.get(path, headers=ada)
    assert own.json()["token"] == order_token(edge.keyring, order.id)
    assert (await client.get(path, headers={"Order-Token": own.json()["token"]})).status_code == 200
    staff = await client.get(path, headers=STAFF)
    assert staff.status_code == 200
    assert staff.json()["token"] is None
    problem(await client.get(path), 401, "unauthorized")
    problem(await client.get(path, headers=bob), 404, "not_found")
    foreign = {"Order-Token": order_token(edge.keyring, other.id)}
    problem(await client.get(path, headers=foreign), 404, "not_found")
    problem(await client.get(f"/v1/orders/{order_id_of('none')}", headers=ada), 404, "not_found")
    problem(await client.get("/v1/orders/nonsense"), 404, "not_found")


async def test_list(client: AsyncClient) -> None:
    """A shopper's own orders come newest first, page by page, each once."""
    ada = await sign_in(client)
    owner = await user_id()
    for number in range(7):
        # Two a minute: the cursor tells orders of one moment apart.
        await store(make_order(str(number), owner=owner, placed_at=AT + timedelta(minutes=number // 2)))
    await store(make_order("other", owner="someone"))
    seen: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/v1/orders", params=params, headers=ada)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 7
    assert len({order["id"] for order in seen}) == 7
    times = [order["placed_at"] for order in seen]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"limit": "0"}, 422, "invalid_input"),
        ({"limit": "101"}, 422, "invalid_input"),
        ({"limit": "x"}, 422, "invalid_input"),
        ({"cursor": "nonsense"}, 400, "bad_cursor"),
        ({"cursor": "é" * 300}, 400, "bad_cursor"),
    ],
)
async def test_bad_page(client: AsyncClient, params: dict[str, str], status: int, code: str) -> None:
    """A limit outside of 1 to 100 is a 422, a cursor that no page gave a 400."""
    ada = await sign_in(client)
    problem(await client.get("/v1/orders", params=params, headers=ada), status, code)


async def test_list_needs_an_account(client: AsyncClient) -> None:
    """Lists belong to accounts: nobody is 401; the staff's list is 403 for shoppers."""
    ada = await sign_in(client)
    problem(await client.get("/v1/orders"), 401, "unauthorized")
    problem(await client.get("/v1/admin/orders"), 401, "unauthorized")
    problem(await client.get("/v1/admin/orders", headers=ada), 403, "forbidden")


async def test_admin_list(client: AsyncClient) -> None:
    """Staff list every order, by status, owner or address, without the tokens that open them."""
    await store(make_order("a", owner="x"))
    await move(make_order("b"), OrderStatus.CONFIRMED)
    every = (await client.get("/v1/admin/orders", headers=STAFF)).json()["items"]
    assert len(every) == 2
    assert {order["token"] for order in every} == {None}
    for params, expected in [
        ({"status": "confirmed"}, 1),
        ({"status": "shipped"}, 0),
        ({"owner": "x"}, 1),
        ({"email": "ada@example.com"}, 2),
    ]:
        found = (await client.get("/v1/admin/orders", params=params, headers=STAFF)).json()["items"]
        assert len(found) == expected, params
    problem(await client.get("/v1/admin/orders", params={"status": "x"}, headers=STAFF), 422, "invalid_input")


async def test_cancel(edge: Edge, client: AsyncClient, worker: ScriptedWorker) -> None:
    """Who holds an order's token may cancel it, with or without a reason; the operation opens to the same token."""
    order = await store(make_order())
    token = {"Order-Token": order_token(edge.keyring, order.id)}
    response = await client.post(f"/v1/orders/{order.id}/cancel", headers={**token, "Prefer": "wait=10"})
    assert response.status_code == 200
    assert response.json()["result"]["id"] == order.id
    assert (await client.get(response.headers["location"], headers=token)).status_code == 200
    reasoned = await client.post(f"/v1/orders/{order.id}/cancel", json={"reason": "too late"}, headers=token)
    assert reasoned.status_code == 202
    await until(lambda: len(worker.received) == 2)
    assert {envelope.sender.id for envelope in worker.received} == {f"guest:{order.id}"}
    assert worker.received[0].sender.holds == (order.id,)
    assert b"too late" in bytes(worker.received[1].data)
    problem(await client.post(f"/v1/orders/{order.id}/cancel"), 401, "unauthorized")


async def test_dispatch(client: AsyncClient, worker: ScriptedWorker) -> None:
    """Staff hand a parcel to a carrier and record what it reports; shoppers are 403, nobody 401."""
    order = await store(make_order())
    shipment = Shipment.prepare(order.id, [ShipmentLine(isbn=ISBN, title="A book", quantity=2)], AT)
    await Shipment.get_pymongo_collection().insert_one(shipment.stored())
    parcel = {"carrier": "DHL", "tracking_number": "JD0001"}
    path = f"/v1/orders/{order.id}/shipments"
    response = await client.post(path, json=parcel, headers={**STAFF, "Prefer": "wait=10"})
    assert response.status_code == 200, response.text
    assert response.json()["resource"] == f"shipments/{order.id}"
    assert response.json()["result"]["status"] == "preparing"
    events = f"/v1/shipments/{order.id}/events"
    assert (await client.post(events, json={"status": "delivered"}, headers=STAFF)).status_code == 202
    await until(lambda: len(worker.received) == 2)
    assert [envelope.type for envelope in worker.received] == ["DispatchShipment", "RecordCarrierEvent"]
    assert (await client.get(f"/v1/shipments/{order.id}", headers=STAFF)).json()["order_id"] == order.id
    ada = await sign_in(client)
    for target, body in ((path, parcel), (events, {"status": "delivered"})):
        problem(await client.post(target, json=body), 401, "unauthorized")
        problem(await client.post(target, json=body, headers=ada), 403, "forbidden")
    problem(await client.post(events, json={"status": "lost"}, headers=STAFF), 422, "invalid_input")
    nowhere = order_id_of("none")
    problem(
        await client.post(f"/v1/orders/{nowhere}/shipments", json=parcel, headers=STAFF), 404, "not_found"
    )
    problem(
        await client.post(f"/v1/shipments/{nowhere}/events", json={"status": "delivered"}, headers=STAFF),
        404,
        "not_found",
    )


async def test_staff_see_no_token_in_results(client: AsyncClient, worker: ScriptedWorker) -> None:
    """What staff cancel shows them no token, in the result either."""
    order = await store(make_order())
    headers = {**STAFF, "Prefer": "wait=10"}
    response = await client.post(f"/v1/orders/{order.id}/cancel", headers=headers)
    assert response.status_code == 200
    assert response.json()["result"]["token"] is None

"""What a body may be: JSON that says so, decoded exactly, and a clear no to everything else."""

from typing import Any

import pytest
from httpx import AsyncClient

from tests.app.edges import ISBN, ScriptedWorker, guest_cart, problem


async def send(client: AsyncClient, body: bytes, content_type: str | None = "application/json") -> Any:
    """Asks a new cart for what the body says."""
    cart, token = await guest_cart(client)
    headers = token | ({} if content_type is None else {"Content-Type": content_type})
    return await client.post(f"/v1/carts/{cart}/items", content=body, headers=headers)


GOOD = b'{"isbn": "%s", "quantity": 2}' % ISBN.encode()


@pytest.mark.parametrize(
    "content_type",
    [None, "application/json", "Application/JSON; charset=utf-8", "application/vnd.example+json"],
)
async def test_json(client: AsyncClient, worker: ScriptedWorker, content_type: str | None) -> None:
    """JSON is taken under its own names, and where nothing is said of the body."""
    response = await send(client, GOOD, content_type)
    assert response.status_code == 202, response.text


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonp",
        "json",
        "",
    ],
)
async def test_other_media_types(client: AsyncClient, worker: ScriptedWorker, content_type: str) -> None:
    """A body that says that it is something else is a 415, whatever is in it."""
    problem(await send(client, GOOD, content_type), 415, "unsupported_media_type")
    assert worker.received == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"isbn": "\xff", "quantity": 1}',
        b'{"isbn": "\\ud800", "quantity": 1}',
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        GOOD + b"}",
        b'{"isbn": "1", "quantity": NaN}',
    ],
    ids=["cut off", "not UTF-8", "half a surrogate", "deep", "deep and wide", "more behind it", "NaN"],
)
async def test_no_json(client: AsyncClient, worker: ScriptedWorker, body: bytes) -> None:
    """What is no JSON, or nested beyond reason, is the sender's error and never ours."""
    response = await send(client, body)
    assert response.status_code in {400, 422}, response.text
    problem(response, response.status_code, "bad_json" if response.status_code == 400 else "invalid_input")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"isbn": "x", "quantity": "1"}', "quantity"),
        (b'{"isbn": "x", "quantity": 1.5}', "quantity"),
        (b'{"isbn": "x", "quantity": true}', "quantity"),
        (b'{"isbn": "x", "quantity": null}', "quantity"),
        (b'{"isbn": 1, "quantity": 1}', "isbn"),
        (b'{"isbn": "x"}', "body"),
        (b'{"isbn": "x", "quantity": 1, "color": 2}', "body"),
        (b"[]", "body"),
        (b"", "body"),
    ],
)
async def test_fields(client: AsyncClient, worker: ScriptedWorker, body: bytes, field: str) -> None:
    """A field of another type is named, and never taken for what it resembles."""
    found = problem(await send(client, body), 422, "invalid_input")
    assert [each["field"] for each in found["errors"]] == [field]


async def test_nested_fields(client: AsyncClient) -> None:
    """A field inside another is named with its whole way."""
    cart, token = await guest_cart(client)
    order = {
        "cart_id": cart,
        "shipping_address": {"name": "A", "line1": 5, "city": "C", "postal_code": "1", "country": "GB"},
        "shipping_method": "standard",
        "payment": {"token": "tok_ok"},
    }
    response = await client.post("/v1/orders", json=order, headers={**token, "Idempotency-Key": "1"})
    assert problem(response, 422, "invalid_input")["errors"][0]["field"] == "shipping_address.line1"

"""Request limits: who is one client, what it reads of what is left, and what is never counted."""

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient

from app.application import Edge
from app.security.throttle import RequestLimit
from ops import parts
from ops.settings import Settings
from tests.app.edges import STAFF, guest_cart, problem, serving, sign_in

LIMIT = 5


@pytest.fixture
async def limited(edge: Edge) -> AsyncIterator[AsyncClient]:
    """A client of an edge that lets an address ask five times."""
    edge.limit = RequestLimit(LIMIT)
    async with serving(edge) as client:
        yield client


async def test_off_by_default(client: AsyncClient) -> None:
    """Without a limit no answer speaks of one."""
    response = await client.get("/v1/subjects")
    assert not [name for name in response.headers if name.startswith("ratelimit")]
    assert parts.request_limit(Settings()) is None
    assert parts.request_limit(Settings(requests_per_minute=10)) is not None


async def test_what_is_left(limited: AsyncClient) -> None:
    """Every answer says how much is left; one request too many is a 429 that says when the next may come."""
    for left in reversed(range(LIMIT)):
        response = await limited.get("/v1/subjects")
        assert response.status_code == 200
        assert response.headers["ratelimit-limit"] == str(LIMIT)
        assert response.headers["ratelimit-remaining"] == str(left)
        assert response.headers["ratelimit-policy"] == f"{LIMIT};w=60"
    response = await limited.get("/v1/subjects")
    problem(response, 429, "too_many_requests")
    assert response.headers["ratelimit-remaining"] == "0"
    assert 1 <= int(response.headers["retry-after"]) <= 60 // LIMIT
    assert response.headers["x-correlation-id"]


async def test_errors_count_and_say_what_is_left(limited: AsyncClient) -> None:
    """Unknown routes and refusals are requests too."""
    answers = [await limited.get(path) for path in ("/v1/nowhere", "/v1/orders")]
    assert [each.status_code for each in answers] == [404, 401]
    assert [each.headers["ratelimit-remaining"] for each in answers] == [str(LIMIT - 1), str(LIMIT - 2)]


async def test_new_carts_are_no_new_clients(limited: AsyncClient) -> None:
    """A token that anybody gets for the asking does not begin a new count."""
    cart_id, token = [await guest_cart(limited) for _ in range(LIMIT)][-1]
    problem(await limited.get(f"/v1/carts/{cart_id}", headers=token), 429, "too_many_requests")


async def test_each_account_for_itself(limited: AsyncClient) -> None:
    """A shopper who signed in has a count of their own, whatever others behind the same address do."""
    ada = await sign_in(limited)
    for _ in range(LIMIT - 2):  # registering and signing in were two
        assert (await limited.get("/v1/subjects")).status_code == 200
    problem(await limited.get("/v1/subjects"), 429, "too_many_requests")
    response = await limited.get("/v1/users/me", headers=ada)
    assert response.status_code == 200
    assert response.headers["ratelimit-remaining"] == str(LIMIT - 1)
    problem(
        await limited.get("/v1/users/me", headers={"Authorization": "Bearer made.up"}),
        429,
        "too_many_requests",
    )


async def test_what_is_not_counted(limited: AsyncClient) -> None:
    """Health, metrics and pages are not, nor what the operator sends."""
    for _ in range(LIMIT + 1):
        assert (await limited.get("/health/live")).status_code == 200
        response = await limited.get("/v1/admin/orders", headers=STAFF)
        assert response.status_code == 200
        assert "ratelimit-remaining" not in response.headers

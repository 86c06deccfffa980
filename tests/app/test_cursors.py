"""Cursors of lists by time: they belong to one list, and say no to every other."""

from datetime import timedelta

import pytest
from httpx import AsyncClient

from app.cursors import cursor_of, page_after
from app.problems import Problem
from documents.accounts import User
from tests.app.edges import STAFF, problem, sign_in
from tests.app.purchases import AT, make_order, store


def test_a_cursor_says_where_the_page_ended() -> None:
    """It comes back as it was given, with the same filters in whatever order."""
    cursor = cursor_of(
        page_after(AT, "o1", {"owner": "u1", "status": "placed"}), {"status": "placed", "owner": "u1"}
    )
    assert cursor is not None
    assert (cursor.at, cursor.id) == (AT, "o1")
    assert cursor_of(None, {}) is None


@pytest.mark.parametrize("filters", [{}, {"owner": "u2"}, {"owner": "u1", "status": "placed"}])
def test_a_cursor_of_another_list_is_none(filters: dict[str, str]) -> None:
    """Other filters are another list, where the place means nothing."""
    with pytest.raises(Problem) as refused:
        cursor_of(page_after(AT, "o1", {"owner": "u1"}), filters)
    assert refused.value.code == "bad_cursor"


async def test_anothers_cursor(client: AsyncClient) -> None:
    """A shopper's cursor is 400 for another shopper, and for staff who look at every order."""
    ada = await sign_in(client)
    owner = await User.find_one({"email": "ada@example.com"})
    assert owner is not None
    for number in range(2):
        await store(make_order(str(number), owner=owner.id, placed_at=AT + timedelta(minutes=number)))
    page = (await client.get("/v1/orders", params={"limit": "1"}, headers=ada)).json()
    params = {"cursor": page["next_cursor"]}
    assert len((await client.get("/v1/orders", params=params, headers=ada)).json()["items"]) == 1
    bob = await sign_in(client, "bob@example.com")
    problem(await client.get("/v1/orders", params=params, headers=bob), 400, "bad_cursor")
    problem(await client.get("/v1/admin/orders", params=params, headers=STAFF), 400, "bad_cursor")

"""The addresses that an account keeps."""

import asyncio
from typing import Any

import pytest

from documents.accounts import (
    ADDRESSES_MAX,
)
from tests.app.test_accounts.acts import HOME, Client, bearer, problem, register, sign_in


async def test_simultaneous_changes_are_all_kept(client: Client) -> None:
    """Addresses that are added at the same moment do not overwrite one another."""
    await register(client)
    headers = bearer(await sign_in(client))
    answers = await asyncio.gather(
        *(
            client.post("/v1/users/me/addresses", json=HOME | {"name": f"N{n}"}, headers=headers)
            for n in range(ADDRESSES_MAX)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    listed = (await client.get("/v1/users/me/addresses", headers=headers)).json()["items"]
    assert {each["name"] for each in listed} == {f"N{n}" for n in range(ADDRESSES_MAX)}


async def test_addresses_come_and_go(client: Client) -> None:
    """Kept, replaced and forgotten by an id of their own; an unknown one is 404."""
    await register(client)
    headers = bearer(await sign_in(client))
    kept = await client.post("/v1/users/me/addresses", json=HOME, headers=headers)
    assert kept.status_code == 201
    path = kept.headers["location"]
    assert path.endswith(kept.json()["id"])
    moved = await client.put(path, json=HOME | {"city": "Paris", "country": "FR"}, headers=headers)
    assert moved.json() == kept.json() | {"city": "Paris", "country": "FR"}
    assert (await client.delete(path, headers=headers)).status_code == 204
    assert (await client.get("/v1/users/me/addresses", headers=headers)).json() == {"items": []}
    problem(await client.put(path, json=HOME, headers=headers), 404, "not_found")
    problem(await client.delete(path, headers=headers), 404, "not_found")


async def test_anothers_address_is_not_found(client: Client) -> None:
    """An id of another account's address is 404, and the address stays."""
    await register(client)
    await register(client, email="eve@example.com")
    ada, eve = bearer(await sign_in(client)), bearer(await sign_in(client, email="eve@example.com"))
    path = (await client.post("/v1/users/me/addresses", json=HOME, headers=ada)).headers["location"]
    problem(await client.delete(path, headers=eve), 404, "not_found")
    assert len((await client.get("/v1/users/me/addresses", headers=ada)).json()["items"]) == 1


@pytest.mark.parametrize(
    "change",
    [{"country": "Germany"}, {"country": "XX"}, {"city": ""}, {"name": "  "}, {"line1": None}, {"id": "x"}],
)
async def test_an_address_is_checked(client: Client, change: dict[str, Any]) -> None:
    """Empty lines, countries that are no ISO code and unknown fields are 422."""
    await register(client)
    headers = bearer(await sign_in(client))
    problem(
        await client.post("/v1/users/me/addresses", json=HOME | change, headers=headers), 422, "invalid_input"
    )


async def test_an_account_keeps_a_bounded_number_of_addresses(client: Client) -> None:
    """The twenty-first is 409 address_book_full."""
    await register(client)
    headers = bearer(await sign_in(client))
    for _ in range(ADDRESSES_MAX):
        await client.post("/v1/users/me/addresses", json=HOME, headers=headers)
    full = await client.post("/v1/users/me/addresses", json=HOME, headers=headers)
    problem(full, 409, "address_book_full")

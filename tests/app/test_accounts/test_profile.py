"""The profile: who reads it, what changes it, and what a change ends."""

import pytest

from app.security.accounts import Accounts
from documents.accounts import (
    User,
)
from tests.app.test_accounts.acts import ADA, Client, bearer, problem, refresh, register, sign_in


async def test_the_name_changes_without_a_password(client: Client) -> None:
    """A profile's revision grows with every change, and with none when nothing changed."""
    await register(client)
    headers = bearer(await sign_in(client))
    changed = await client.patch("/v1/users/me", json={"name": "  Ada King "}, headers=headers)
    assert changed.json()["name"] == "Ada King"
    assert changed.json()["rev"] == 2
    same = await client.patch("/v1/users/me", json={}, headers=headers)
    assert same.json()["rev"] == 2


async def test_a_new_password_ends_the_other_sessions(client: Client) -> None:
    """The session that changed the password goes on; every other one is over, and the old password with it."""
    await register(client)
    here, there = await sign_in(client), await sign_in(client)
    change = {"password": "another good one", "current_password": ADA["password"]}
    changed = await client.patch("/v1/users/me", json=change, headers=bearer(here))
    assert changed.status_code == 200
    problem(await refresh(client, there["refresh_token"]), 401, "session_ended")
    assert (await refresh(client, here["refresh_token"])).status_code == 200
    old = await client.post("/v1/sessions", json={"email": ADA["email"], "password": ADA["password"]})
    problem(old, 401, "bad_credentials")
    await sign_in(client, password="another good one")


async def test_a_session_begun_with_the_old_password_is_over(client: Client, accounts: Accounts) -> None:
    """A sign-in that was checked just before the password changed cannot be refreshed after it."""
    user = await accounts.user((await register(client))["id"])
    tokens = await sign_in(client)
    change = {"password": "another good one", "current_password": ADA["password"]}
    await client.patch("/v1/users/me", json=change, headers=bearer(tokens))
    late = await accounts.sessions.start(user)
    problem(await refresh(client, late.refresh_token), 401, "session_ended")


@pytest.mark.parametrize("change", [{"password": "another good one"}, {"email": "king@example.com"}])
async def test_the_current_password_is_needed(client: Client, change: dict[str, str]) -> None:
    """Without it 422, with a wrong one 403, and guessing it is throttled like signing in."""
    await register(client)
    headers = bearer(await sign_in(client))
    body = problem(await client.patch("/v1/users/me", json=change, headers=headers), 422, "invalid_input")
    assert body["errors"][0]["field"] == "current_password"
    wrong = change | {"current_password": "wrong wrong wrong"}
    for _ in range(10):
        problem(await client.patch("/v1/users/me", json=wrong, headers=headers), 403, "wrong_password")
    problem(await client.patch("/v1/users/me", json=wrong, headers=headers), 429, "too_many_requests")


async def test_the_address_changes_unless_it_is_taken(client: Client) -> None:
    """A new address must be verified anew and be nobody's; the old one is free again."""
    user = await register(client)
    await register(client, email="eve@example.com")
    await User.find(User.id == user["id"]).update({"$set": {"verified": True}})
    headers = bearer(await sign_in(client))
    taken = {"email": "EVE@example.com", "current_password": ADA["password"]}
    problem(await client.patch("/v1/users/me", json=taken, headers=headers), 409, "email_taken")
    respelled = {"email": "ADA@example.com", "current_password": ADA["password"]}
    assert (await client.patch("/v1/users/me", json=respelled, headers=headers)).json()["verified"] is True
    moved = {"email": "king@example.com", "current_password": ADA["password"]}
    assert (await client.patch("/v1/users/me", json=moved, headers=headers)).json()["verified"] is False
    await register(client)


async def test_if_match_guards_against_a_change_in_between(client: Client) -> None:
    """A profile that moved on since it was read is 412, with its revision; a foreign tag matches nothing."""
    await register(client)
    headers = bearer(await sign_in(client))
    first = await client.patch("/v1/users/me", json={"name": "One"}, headers=headers | {"If-Match": '"1"'})
    assert first.status_code == 200
    for tag in ('"1"', 'W/"2"', "something"):
        late = await client.patch("/v1/users/me", json={"name": "Two"}, headers=headers | {"If-Match": tag})
        assert problem(late, 412, "precondition_failed")["rev"] == 2

"""Staying signed in: refreshing, copies of tokens, signing out."""

import asyncio

from documents.accounts import (
    FAMILIES_MAX,
    RefreshToken,
)
from tests.app.test_accounts.acts import Client, Clock, bearer, problem, refresh, register, sign_in


async def test_an_access_token_expires(client: Client, clock: Clock) -> None:
    """After 15 minutes it is 401 token_expired; refreshing and signing in work with the stale one still sent
    along.
    """
    await register(client)
    tokens = await sign_in(client)
    clock.pass_(minutes=15, seconds=2)
    problem(await client.get("/v1/users/me", headers=bearer(tokens)), 401, "token_expired")
    renewed = await client.post(
        "/v1/sessions/refresh", json={"refresh_token": tokens["refresh_token"]}, headers=bearer(tokens)
    )
    assert renewed.status_code == 200
    assert (await client.get("/v1/users/me", headers=bearer(renewed.json()))).status_code == 200


async def test_a_spent_refresh_token_ends_its_session(client: Client, clock: Clock) -> None:
    """A refresh token that comes back after its successor was handed out was copied: both lose the session."""
    await register(client)
    first = (await sign_in(client))["refresh_token"]
    other_device = (await sign_in(client))["refresh_token"]
    second = (await refresh(client, first)).json()["refresh_token"]
    assert second != first
    clock.pass_(seconds=11)
    problem(await refresh(client, first), 401, "session_ended")
    problem(await refresh(client, second), 401, "session_ended")
    assert (await refresh(client, other_device)).status_code == 200


async def test_two_tabs_that_refresh_together_stay_signed_in(client: Client) -> None:
    """One token, refreshed many times at once or again after a lost answer, gives the same successor each
    time.
    """
    await register(client)
    first = (await sign_in(client))["refresh_token"]
    answers = await asyncio.gather(*(refresh(client, first) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    assert (await refresh(client, successors.pop())).status_code == 200


async def test_a_token_two_generations_old_is_a_copy_even_at_once(client: Client) -> None:
    """Only the token just before the newest has a grace."""
    await register(client)
    first = (await sign_in(client))["refresh_token"]
    second = (await refresh(client, first)).json()["refresh_token"]
    third = (await refresh(client, second)).json()["refresh_token"]
    problem(await refresh(client, first), 401, "session_ended")
    problem(await refresh(client, third), 401, "session_ended")


async def test_an_idle_session_ends(client: Client, clock: Clock) -> None:
    """After 30 idle days a session is over; in use it lasts 90."""
    await register(client)
    token = (await sign_in(client))["refresh_token"]
    for _ in range(4):
        clock.pass_(days=22)
        token = (await refresh(client, token)).json()["refresh_token"]
    clock.pass_(days=2, seconds=1)
    problem(await refresh(client, token), 401, "session_ended")
    idle = (await sign_in(client))["refresh_token"]
    clock.pass_(days=30, seconds=1)
    problem(await refresh(client, idle), 401, "session_ended")


async def test_signing_out_ends_this_session_alone(client: Client) -> None:
    """DELETE /sessions ends the session of its access token; everywhere=true ends all of them."""
    await register(client)
    here, there, elsewhere = [await sign_in(client) for _ in range(3)]
    assert (await client.delete("/v1/sessions", headers=bearer(here))).status_code == 204
    assert (await client.delete("/v1/sessions", headers=bearer(here))).status_code == 204
    problem(await refresh(client, here["refresh_token"]), 401, "session_ended")
    there = (await refresh(client, there["refresh_token"])).json()
    await client.delete("/v1/sessions?everywhere=true", headers=bearer(there))
    for tokens in (there, elsewhere):
        problem(await refresh(client, tokens["refresh_token"]), 401, "session_ended")


async def test_one_account_keeps_a_bounded_number_of_sessions(client: Client, clock: Clock) -> None:
    """The fifty-first sign-in ends the oldest session."""
    await register(client)
    oldest = newest = await sign_in(client)
    for _ in range(FAMILIES_MAX):
        clock.pass_(seconds=1)
        newest = await sign_in(client)
    assert await RefreshToken.find_all().count() == FAMILIES_MAX
    problem(await refresh(client, oldest["refresh_token"]), 401, "session_ended")
    assert (await refresh(client, newest["refresh_token"])).status_code == 200


async def test_the_database_alone_cannot_refresh(client: Client) -> None:
    """Nothing that is stored of a session is part of its refresh token."""
    await register(client)
    token = (await sign_in(client))["refresh_token"]
    family = await RefreshToken.find_one()
    assert family is not None
    handle, _, mac = token.split(".")
    assert handle not in family.model_dump_json()
    assert mac not in family.model_dump_json()
    problem(await refresh(client, f"{family.id}.1.{mac}"), 401, "bad_refresh_token")

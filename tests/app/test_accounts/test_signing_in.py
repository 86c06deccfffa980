"""Signing in over HTTP: guesses, throttling, hashes of another cost."""

import asyncio
from typing import Any

import pytest

from app.security.accounts import Accounts
from app.security.keys import Keyring
from app.security.passwords import Passwords
from app.security.throttle import SignInThrottle
from documents.accounts import (
    User,
)
from tests.app.test_accounts.acts import ADA, Client, problem, refresh, register, sign_in


async def test_tokens_are_not_cached(client: Client) -> None:
    """No cache on the way keeps a session's tokens."""
    await register(client)
    response = await client.post("/v1/sessions", json={"email": ADA["email"], "password": ADA["password"]})
    assert response.headers["cache-control"] == "no-store"


async def test_a_wrong_password_and_an_unknown_account_look_alike(client: Client) -> None:
    """Both are the same 401, so that a stranger learns nothing of who has an account."""
    await register(client)
    wrong = await client.post("/v1/sessions", json={"email": ADA["email"], "password": "wrong wrong wrong"})
    unknown = await client.post(
        "/v1/sessions", json={"email": "eve@example.com", "password": ADA["password"]}
    )
    no_address = await client.post("/v1/sessions", json={"email": "no address", "password": ADA["password"]})
    assert problem(wrong, 401, "bad_credentials") == problem(unknown, 401, "bad_credentials")
    assert problem(wrong, 401, "bad_credentials") == problem(no_address, 401, "bad_credentials")
    fields = [name for name in wrong.headers if name.startswith("ratelimit")]
    assert fields == [name for name in unknown.headers if name.startswith("ratelimit")]
    assert len(fields) == 4


async def test_guesses_are_throttled_and_the_right_password_waits_too(client: Client) -> None:
    """After ten wrong passwords comes 429 with Retry-After and RateLimit fields, for an unknown account as
    well.
    """
    await register(client)
    for email in (ADA["email"], "eve@example.com"):
        guess = {"email": email, "password": "wrong wrong wrong"}
        for left in range(9, -1, -1):
            answer = await client.post("/v1/sessions", json=guess)
            problem(answer, 401, "bad_credentials")
            assert answer.headers["ratelimit-remaining"] == str(left)
        refused = await client.post("/v1/sessions", json={"email": email, "password": ADA["password"]})
        problem(refused, 429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert refused.headers["ratelimit-limit"] == "10"
        assert refused.headers["ratelimit-remaining"] == "0"
        assert int(refused.headers["ratelimit-reset"]) >= int(refused.headers["retry-after"])


async def test_right_passwords_spend_no_allowance(client: Client) -> None:
    """Signing in often is not guessing."""
    await register(client)
    for _ in range(15):
        await sign_in(client)


async def test_parallel_guesses_do_not_slip_through(client: Client) -> None:
    """Thirty guesses at the same moment: ten are looked at."""
    await register(client)
    guess = {"email": ADA["email"], "password": "wrong wrong wrong"}
    answers = await asyncio.gather(*(client.post("/v1/sessions", json=guess) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 20


async def test_a_password_hash_of_another_cost_is_renewed(client: Client, accounts: Accounts) -> None:
    """At the next sign-in the hash is made again at today's cost."""
    user = await register(client)
    older = Passwords(memory_kib=16, passes=2)
    await User.find(User.id == user["id"]).update(
        {"$set": {"password_hash": await older.hash(ADA["password"])}}
    )
    older.close()
    await sign_in(client)
    stored = await accounts.user(user["id"])
    assert stored.password_hash is not None
    assert "m=8,t=1" in stored.password_hash
    await sign_in(client)


async def test_secrets_do_not_reach_the_log(
    client: Client, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    """Whatever goes wrong, no password and no token is printed."""
    await register(client)
    tokens = await sign_in(client)
    await client.post("/v1/sessions", json={"email": ADA["email"], "password": "a wrong secret"})
    await refresh(client, tokens["refresh_token"] + "x")
    printed = caplog.text + "".join(capfd.readouterr())
    assert "sign_in.refused" in printed
    for secret in (ADA["password"], "a wrong secret", tokens["access_token"], tokens["refresh_token"]):
        assert secret not in printed


async def test_the_throttle_is_on_without_being_asked_for() -> None:
    """Accounts made with nothing but keys count sign-ins in memory."""
    service = Accounts(keyring=Keyring.generate())
    assert isinstance(service._throttle, SignInThrottle)
    service.close()

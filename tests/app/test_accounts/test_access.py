"""Whose calls these are: nobody's, the operator's, a deleted account's."""

import pytest
from litestar import Litestar

from app.security.accounts import Accounts
from app.security.keys import Keyring
from documents.accounts import (
    User,
)
from tests.app.test_accounts.acts import OPERATOR, Client, bearer, problem, refresh, register, sign_in


async def test_nobody_has_no_profile(client: Client) -> None:
    """Without a credential everything that needs one is 401 with a challenge."""
    for method, path in (
        ("GET", "/v1/users/me"),
        ("PATCH", "/v1/users/me"),
        ("GET", "/v1/users/me/addresses"),
        ("POST", "/v1/users/me/addresses"),
        ("PUT", "/v1/users/me/addresses/x"),
        ("DELETE", "/v1/users/me/addresses/x"),
        ("DELETE", "/v1/sessions"),
    ):
        answer = await client.request(method, path, json={} if method != "GET" else None)
        problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_operator_is_no_account(client: Client) -> None:
    """The operator's token is good, and has no profile, no addresses and no session to end."""
    problem(await client.get("/v1/users/me", headers=bearer(OPERATOR)), 403, "forbidden")
    assert (await client.delete("/v1/sessions", headers=bearer(OPERATOR))).status_code == 204


async def test_a_deleted_accounts_tokens_are_bad(client: Client) -> None:
    """Its access token is 401, and its session is over."""
    user = await register(client)
    tokens = await sign_in(client)
    await User.find(User.id == user["id"]).delete()
    problem(await client.get("/v1/users/me", headers=bearer(tokens)), 401, "bad_token")
    problem(await refresh(client, tokens["refresh_token"]), 401, "session_ended")


def test_every_handler_declares_its_access(app: Litestar) -> None:
    """Each route says who may use it, and those for users have the guard that holds it."""
    handlers = [
        handler
        for route in app.routes
        if route.path.startswith("/v1/")
        for handler in getattr(route, "route_handlers", [])
        if handler.handler_id is None or "OPTIONS" not in handler.http_methods
    ]
    assert len(handlers) == 10
    for handler in handlers:
        access = handler.opt["access"]
        assert access in {"public", "user"}
        assert bool(handler.resolve_guards()) is (access == "user")


def test_a_weak_operator_token_is_refused() -> None:
    """A short secret must not open the staff's doors."""
    with pytest.raises(ValueError, match="32"):
        Accounts(keyring=Keyring.generate(), operator_token="short")

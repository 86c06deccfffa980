"""Accounts over HTTP, on a real database: who may register, sign in, stay signed in, and change what."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from beanie import init_beanie
from httpx import ASGITransport, AsyncClient, Response
from litestar import Litestar, Router
from litestar.datastructures import State
from pymongo.asynchronous.database import AsyncDatabase

from app.problems import EXCEPTION_HANDLERS
from app.routes.accounts import ROUTES
from app.security.accounts import Accounts, create_user
from app.security.keys import Keyring
from app.security.passwords import Passwords
from app.security.principal import AuthenticationMiddleware
from app.security.throttle import SignInThrottle
from documents.accounts import (
    ACCOUNT_DOCUMENTS,
    ADDRESSES_MAX,
    FAMILIES_MAX,
    EmailTaken,
    InvalidField,
    RefreshToken,
    User,
)

OPERATOR = "operator-token-of-these-tests-0123456789"
ADA = {"email": "Ada@Example.com", "password": "correct horse battery", "name": "Ada Lovelace"}
HOME = {"name": "Ada", "line1": "1 Main St", "city": "London", "postal_code": "W1", "country": "GB"}

Client = AsyncClient


class Clock:
    """A time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **delta: float) -> None:
        """Moves on."""
        self.now += timedelta(**delta)


@pytest.fixture
def clock() -> Clock:
    """The accounts' clock."""
    return Clock()


@pytest.fixture
async def accounts(mongo_database: AsyncDatabase[dict[str, Any]], clock: Clock) -> AsyncIterator[Accounts]:
    """The service on an empty database, with the cheapest argon2."""
    await init_beanie(database=mongo_database, document_models=list(ACCOUNT_DOCUMENTS))
    service = Accounts(
        keyring=Keyring.generate(),
        operator_token=OPERATOR,
        passwords=Passwords(memory_kib=8, passes=1),
        clock=clock,
    )
    yield service
    service.close()


@pytest.fixture
def app(accounts: Accounts) -> Litestar:
    """An edge with these routes alone."""
    return Litestar(
        [Router("/v1", route_handlers=ROUTES)],
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=[AuthenticationMiddleware],
        state=State({"accounts": accounts}),
    )


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[Client]:
    """A client of that edge, on the loop of the tests: the database's client belongs to it."""
    transport = ASGITransport(cast(Any, app), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://quire.test") as client:
        yield client


def problem(response: Response, status: int, code: str) -> dict[str, Any]:
    """The body of a problem, after a look at its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    body: dict[str, Any] = response.json()
    assert body["code"] == code
    assert body["status"] == status
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
    return body


async def register(client: Client, **changes: str) -> dict[str, Any]:
    """A new account."""
    response = await client.post("/v1/users", json=ADA | changes)
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def sign_in(client: Client, **changes: str) -> dict[str, Any]:
    """A new session's tokens."""
    credentials = {"email": ADA["email"], "password": ADA["password"]} | changes
    response = await client.post("/v1/sessions", json=credentials)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def bearer(tokens: dict[str, Any] | str) -> dict[str, str]:
    """The header that carries a session's access token."""
    token = tokens if isinstance(tokens, str) else tokens["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def test_a_shopper_registers_signs_in_and_reads_the_profile(client: Client) -> None:
    """A new account is an unverified shopper that can sign in at once, with any spelling of its address."""
    user = await register(client)
    assert user["email"] == "Ada@example.com"
    assert user["roles"] == ["shopper"]
    assert user["verified"] is False
    tokens = await sign_in(client, email="ADA@EXAMPLE.COM")
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 900
    response = await client.get("/v1/users/me", headers=bearer(tokens))
    assert response.json() == user
    assert response.headers["etag"] == f'"{user["rev"]}"'


async def test_no_answer_shows_a_password_or_its_hash(client: Client) -> None:
    """What an account knows of its password stays inside."""
    user = await register(client)
    assert "password" not in str(user)
    stored = await User.get(user["id"])
    assert stored is not None
    assert stored.password_hash is not None
    assert stored.password_hash.startswith("$argon2id$")
    assert stored.password_hash not in repr(stored)


async def test_tokens_are_not_cached(client: Client) -> None:
    """No cache on the way keeps a session's tokens."""
    await register(client)
    response = await client.post("/v1/sessions", json={"email": ADA["email"], "password": ADA["password"]})
    assert response.headers["cache-control"] == "no-store"


async def test_an_address_belongs_to_one_account(client: Client) -> None:
    """A second registration with another spelling of the same address is 409 email_taken."""
    await register(client)
    problem(await client.post("/v1/users", json=ADA | {"email": "ada@EXAMPLE.com"}), 409, "email_taken")


async def test_of_many_registrations_at_once_one_is_made(client: Client) -> None:
    """Simultaneous registrations of one address: one 201, the rest 409, one document."""
    answers = await asyncio.gather(*(client.post("/v1/users", json=ADA) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert await User.find_all().count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", "a@localhost"),
        ("email", "a" * 300 + "@example.com"),
        ("password", "short"),
        ("password", "x" * 129),
        ("password", "x" * 5000),
        ("password", "ada@example.com"),
        ("name", "   "),
        ("name", "x" * 101),
        ("name", "Ada\nBcc: everybody"),
    ],
)
async def test_a_registration_names_the_field_that_is_wrong(client: Client, field: str, value: str) -> None:
    """A field that cannot be what it should is 422 invalid_input with its name, and makes no account."""
    body = problem(await client.post("/v1/users", json=ADA | {field: value}), 422, "invalid_input")
    assert field in str(body["errors"])
    assert "x" * 20 not in str(body)
    assert await User.find_all().count() == 0


async def test_nobody_registers_as_staff(client: Client) -> None:
    """A field that is not asked for is refused rather than ignored: roles cannot be slipped in."""
    problem(await client.post("/v1/users", json=ADA | {"roles": ["staff"]}), 422, "invalid_input")


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


async def test_too_many_passwords_at_once_are_told_to_come_back(
    mongo_database: AsyncDatabase[dict[str, Any]], client: Client, accounts: Accounts
) -> None:
    """With no room left a registration is 503 with Retry-After, and no account is made."""
    accounts._passwords = Passwords(memory_kib=8, passes=1, threads=1, waiting_max=0)
    accounts._passwords._room.acquire()
    refused = await client.post("/v1/users", json=ADA)
    problem(refused, 503, "unavailable")
    assert int(refused.headers["retry-after"]) >= 1
    assert await mongo_database["users"].count_documents({}) == 0


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


async def refresh(client: Client, token: str) -> Response:
    """One refresh."""
    return await client.post("/v1/sessions/refresh", json={"refresh_token": token})


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


async def test_simultaneous_changes_are_all_kept(client: Client) -> None:
    """Addresses that are added at the same moment do not overwrite one another."""
    await register(client)
    headers = bearer(await sign_in(client))
    answers = await asyncio.gather(
        *(
            client.post("/v1/users/me/addresses", json=HOME | {"name": f"N{n}"}, headers=headers)
            for n in range(4)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    listed = (await client.get("/v1/users/me/addresses", headers=headers)).json()["items"]
    assert {each["name"] for each in listed} == {"N0", "N1", "N2", "N3"}


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


async def test_create_user_makes_staff(client: Client, accounts: Accounts) -> None:
    """The command line's way to an account: roles as given, unknown ones and taken addresses refused."""
    passwords = Passwords(memory_kib=8, passes=1)
    user = await create_user(
        "boss@example.com", "Boss", "correct horse battery", ("staff",), passwords=passwords
    )
    tokens = await sign_in(client, email="boss@example.com")
    assert accounts.tokens.read_access(tokens["access_token"]).roles == ("staff",)
    assert (await accounts.user(user.id)).created_at.tzinfo is not None
    with pytest.raises(EmailTaken):
        await create_user(
            "BOSS@example.com", "Boss", "correct horse battery", ("staff",), passwords=passwords
        )
    with pytest.raises(InvalidField, match="roles"):
        await create_user("b@example.com", "B", "correct horse battery", ("king",), passwords=passwords)
    passwords.close()


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


async def test_the_throttle_is_on_without_being_asked_for() -> None:
    """Accounts made with nothing but keys count sign-ins in memory."""
    service = Accounts(keyring=Keyring.generate())
    assert isinstance(service._throttle, SignInThrottle)
    service.close()


def test_a_weak_operator_token_is_refused() -> None:
    """A short secret must not open the staff's doors."""
    with pytest.raises(ValueError, match="32"):
        Accounts(keyring=Keyring.generate(), operator_token="short")

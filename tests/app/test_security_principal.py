"""Who sends a request: nobody, an account or the operator; and which doors open to them."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar, Request, get
from litestar.datastructures import State

from app.problems import EXCEPTION_HANDLERS
from app.security.accounts import Accounts
from app.security.guards import require_staff, require_user
from app.security.keys import Keyring
from app.security.principal import AuthenticationMiddleware, Principal, authenticate
from app.security.tokens import Tokens

OPERATOR = "operator-token-of-these-tests-0123456789"
KEYRING = Keyring.generate()
TOKENS = Tokens(KEYRING)
SHOPPER = TOKENS.issue_access("ada", ("shopper",), "s")
STAFF = TOKENS.issue_access("boss", ("shopper", "staff"), "s")


@get("/public", opt={"access": "public"})
async def public(request: Request[Any, Any, Any]) -> str:
    """For everybody."""
    principal = await authenticate(request)
    return principal.sender.id if principal else "nobody"


@get("/careless", opt={"access": "public", "exclude_from_auth": True})
async def careless() -> str:
    """For everybody, whatever they carry."""
    return "welcome"


@get("/user", guards=[require_user], opt={"access": "user"})
async def for_users(request: Request[Any, Any, Any]) -> str:
    """For accounts."""
    principal: Principal = request.user
    return principal.user_id


@get("/staff", guards=[require_staff], opt={"access": "staff"})
async def for_staff() -> str:
    """For staff."""
    return "the safe"


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    """A client of an edge with four doors."""
    accounts = Accounts(keyring=KEYRING, operator_token=OPERATOR)
    app = Litestar(
        [public, careless, for_users, for_staff],
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=[AuthenticationMiddleware],
        state=State({"accounts": accounts}),
    )
    transport = ASGITransport(cast("Any", app), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://quire.test") as client:
        yield client
    accounts.close()


async def status(client: AsyncClient, path: str, token: str | None = None) -> int:
    """How a door answers."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return (await client.get(path, headers=headers)).status_code


@pytest.mark.parametrize(
    ("token", "statuses"),
    [
        (None, (200, 200, 401, 401)),
        (SHOPPER, (200, 200, 200, 403)),
        (STAFF, (200, 200, 200, 200)),
        (OPERATOR, (200, 200, 200, 200)),
        (OPERATOR[:-1], (401, 200, 401, 401)),
        (SHOPPER[:-4] + "AAAA", (401, 200, 401, 401)),
    ],
)
async def test_which_doors_open(client: AsyncClient, token: str | None, statuses: tuple[int, ...]) -> None:
    """Public, careless, user and staff routes, for each kind of sender."""
    found = [await status(client, path, token) for path in ("/public", "/careless", "/user", "/staff")]
    assert tuple(found) == statuses


async def test_senders_have_names(client: AsyncClient) -> None:
    """Commands will name the account, or the operator."""
    for token, name in ((SHOPPER, "user:ada"), (OPERATOR, "user:operator")):
        answer = await client.get("/public", headers={"Authorization": f"Bearer {token}"})
        assert answer.text == name
    assert (await client.get("/public")).text == "nobody"


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer x y", SHOPPER, "Bearer \xff", f"Token {SHOPPER}"]
)
async def test_a_malformed_credential_is_no_guest(client: AsyncClient, value: str) -> None:
    """What is not `Bearer <token>` is 401 bad_token on public routes too, with a challenge."""
    answer = await client.get("/public", headers={b"Authorization": value.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.json()["code"] == "bad_token"
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


async def test_two_credentials_are_none(client: AsyncClient) -> None:
    """A request that carries two is refused rather than read as either."""
    both = [("Authorization", f"Bearer {SHOPPER}"), ("Authorization", f"Bearer {STAFF}")]
    assert (await client.get("/public", headers=both)).status_code == 401


async def test_the_scheme_is_written_in_any_case(client: AsyncClient) -> None:
    """RFC 9110: the scheme's name is case-insensitive."""
    assert (await client.get("/user", headers={"Authorization": f"bEARER  {SHOPPER}"})).text == "ada"


async def test_an_expired_token_says_so(client: AsyncClient) -> None:
    """A client can tell a token to refresh from one to throw away."""
    old = Tokens(KEYRING, lambda: 1_000_000.0).issue_access("ada", ("shopper",), "s")
    answer = await client.get("/public", headers={"Authorization": f"Bearer {old}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")


async def test_a_missing_role_is_forbidden(client: AsyncClient) -> None:
    """403 with its code, as a problem."""
    answer = await client.get("/staff", headers={"Authorization": f"Bearer {SHOPPER}"})
    assert answer.json()["code"] == "forbidden"
    assert answer.headers["content-type"].startswith("application/problem+json")

"""Who sends a request, by its Authorization header: nobody, an account, or the operator.

An absent header is nobody. Anything else that is not a good token is a 401 wherever it appears, never
silently nobody: a client whose session ended should hear of it, rather than see an empty cart.
"""

from dataclasses import dataclass
from typing import Any, cast

from litestar.connection import ASGIConnection, Request
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from app.problems import CODES, Code, Problem
from app.security.tokens import BadToken, TokenExpired
from broker.messages.base import Sender
from documents.accounts import Role

OPERATOR_ID = "operator"

CODES["bad_token"] = Code(401, "The token is not good")
CODES["token_expired"] = Code(401, "The token has expired")

Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated sender. `session` is the id of its sign-in; the operator has none and is no account."""

    user_id: str
    roles: tuple[str, ...]
    session: str | None = None

    @property
    def is_staff(self) -> bool:
        """Whether it may act for the shop."""
        return Role.STAFF in self.roles

    @property
    def sender(self) -> Sender:
        """As the commands that it sends name it."""
        return Sender(f"user:{self.user_id}", self.roles)


OPERATOR = Principal(OPERATOR_ID, (Role.STAFF.value,))


def principal_of(connection: Connection) -> Principal | None:
    """Who sends it; None without an Authorization header. Raises the 401 problems `bad_token` and
    `token_expired`.

    Read once a request: the answer is kept in the scope's `user`.
    """
    scope = cast("dict[str, Any]", connection.scope)  # ASGI lets its dictionary grow, its type does not
    if "user" not in scope:
        scope["user"] = _read(connection)
    principal: Principal | None = scope["user"]
    return principal


async def authenticate(request: Request[Any, Any, Any]) -> Principal | None:
    """`principal_of` as a dependency: `dependencies={"principal": Provide(authenticate)}`."""
    return principal_of(request)


async def current_user(request: Request[Any, Any, Any]) -> Principal:
    """The dependency of handlers that need somebody. Raises 401 `unauthorized` for nobody."""
    return somebody(request)


def somebody(connection: Connection) -> Principal:
    """Who sends it. Raises 401 `unauthorized` for nobody, and what `principal_of` raises."""
    principal = principal_of(connection)
    if principal is None:
        raise Problem(
            401,
            "unauthorized",
            "Sign in, and send the access token as a bearer",
            {"WWW-Authenticate": "Bearer"},
        )
    return principal


class AuthenticationMiddleware(AbstractAuthenticationMiddleware):
    """Reads the credential of every request, so that a bad one is a 401 on public routes too.

    A handler with `exclude_from_auth=True` in its `opt` is left alone: signing in must work with a stale
    token at hand.
    """

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        """See `principal_of`."""
        return AuthenticationResult(user=principal_of(connection), auth=None)


def _read(connection: Connection) -> Principal | None:
    headers = connection.headers.getall("authorization", [])
    if not headers:
        return None
    scheme, _, token = headers[0].strip().partition(" ")
    token = token.strip()
    if len(headers) > 1 or scheme.lower() != "bearer" or not token:
        raise _bad_token("bad_token", "The Authorization header is not `Bearer <access token>`")
    accounts = connection.app.state.accounts
    if accounts.is_operator(token):
        return OPERATOR
    try:
        claims = accounts.tokens.read_access(token)
    except TokenExpired as error:
        raise _bad_token(
            "token_expired", "The access token has expired: refresh it, or sign in again"
        ) from error
    except BadToken as error:
        raise _bad_token("bad_token", "The access token was not issued here, or was changed") from error
    return Principal(claims.user_id, claims.roles, claims.session)


def _bad_token(code: str, detail: str) -> Problem:
    # RFC 6750, 3.1: every token that is not good is an invalid_token; the description tells them apart.
    return Problem(
        401, code, detail, {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{code}"'}
    )

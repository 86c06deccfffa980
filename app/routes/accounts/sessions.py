"""Signing in and out."""

from typing import Any

from litestar import Controller, Request, Response, delete, post
from litestar.params import FromQuery, JSONBody

from app.routes.accounts.common import DEPENDENCIES, LIMITED, PUBLIC, USER, Me, Service, host_of
from app.routes.accounts.shapes import Credentials, Refresh, TokenView
from app.routes.answers import problems
from app.security.answers import SESSION_ANSWERS
from app.security.guards import require_user
from app.security.sessions import SignedIn

NO_STORE = {"Cache-Control": "no-store"}


def _tokens(signed_in: SignedIn) -> Response[TokenView]:
    tokens = TokenView(
        access_token=signed_in.access_token,
        token_type="Bearer",  # noqa: S106 - RFC 6750's name of the scheme
        expires_in=signed_in.expires_in,
        refresh_token=signed_in.refresh_token,
    )
    return Response(tokens, status_code=200, headers=NO_STORE)


class Sessions(Controller):
    """Signing in and out."""

    path = "/sessions"
    tags = ("accounts",)
    dependencies = DEPENDENCIES
    exception_handlers = SESSION_ANSWERS

    @post(
        "/",
        opt=PUBLIC,
        status_code=200,
        operation_id="signIn",
        summary="Sign in",
        responses=problems(401, 422, 503) | LIMITED,
    )
    async def sign_in(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[Credentials],
        accounts: Service,
    ) -> Response[TokenView]:
        """Tokens, 401 `bad_credentials`, or 429 with Retry-After after too many wrong attempts."""
        return _tokens(await accounts.sign_in(data.email, data.password, host_of(request)))

    @post(
        "/refresh",
        opt=PUBLIC,
        status_code=200,
        operation_id="refreshSession",
        summary="Renew the tokens",
        responses=problems(401, 422),
    )
    async def refresh(self, data: JSONBody[Refresh], accounts: Service) -> Response[TokenView]:
        """New tokens; the refresh token is spent. One that was spent before ends the session."""
        return _tokens(await accounts.sessions.refresh(data.refresh_token))

    @delete(
        "/",
        guards=[require_user],
        opt=USER,
        operation_id="signOut",
        summary="Sign out",
        responses=problems(401),
    )
    async def sign_out(
        self,
        principal: Me,
        accounts: Service,
        everywhere: FromQuery[bool] = False,
    ) -> None:
        """204. Ends the session of the access token, or with `everywhere=true` all of the account's."""
        if everywhere:
            await accounts.sessions.end_all(principal.user_id)
        elif principal.session is not None:
            await accounts.sessions.end(principal.user_id, principal.session)

"""What accounts answer when they say no: their exceptions as problems."""

from typing import Any

from litestar import Request, Response

from app.problems import CODES, Code, Problem, invalid, on_error
from app.security.accounts import AccountGone, BadCredentials, RevMoved
from app.security.passwords import Overloaded
from app.security.principal import OPERATOR_ID
from app.security.sessions import SessionEnded
from app.security.throttle import Throttled
from app.security.tokens import BadToken
from documents.accounts import InvalidField

CODES.update(
    {
        "bad_credentials": Code(401, "The e-mail address or the password is wrong"),
        "bad_refresh_token": Code(401, "The refresh token is not good"),
        "session_ended": Code(401, "The session has ended"),
        "wrong_password": Code(403, "The current password is wrong"),
        "email_taken": Code(409, "Another account has this e-mail address"),
        "address_book_full": Code(409, "An account keeps a bounded number of addresses"),
        "precondition_failed": Code(412, "The resource is at another revision"),
    }
)


def _on_invalid(request: Request[Any, Any, Any], error: InvalidField) -> Response[dict[str, Any]]:
    return on_error(request, invalid(**{error.field: error.reason}))


def _on_gone(request: Request[Any, Any, Any], _: AccountGone) -> Response[dict[str, Any]]:
    if request.user.user_id == OPERATOR_ID:
        return on_error(request, Problem(403, "forbidden", "The operator's token belongs to no account"))
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return on_error(request, Problem(401, "bad_token", "The token's account is gone", headers))


def _on_moved(request: Request[Any, Any, Any], error: RevMoved) -> Response[dict[str, Any]]:
    if "if-match" in request.headers:
        return on_error(request, Problem(412, "precondition_failed", str(error), rev=error.rev))
    return on_error(request, Problem(409, "conflict", str(error), rev=error.rev))


def _on_throttled(request: Request[Any, Any, Any], error: Throttled) -> Response[dict[str, Any]]:
    return on_error(request, Problem(429, "too_many_requests", str(error), error.allowance.headers))


def _on_overloaded(request: Request[Any, Any, Any], error: Overloaded) -> Response[dict[str, Any]]:
    headers = {"Retry-After": str(error.retry_after_s)}
    return on_error(
        request, Problem(503, "unavailable", "Too many passwords wait to be checked: try again", headers)
    )


def _on_bad_credentials(request: Request[Any, Any, Any], error: BadCredentials) -> Response[dict[str, Any]]:
    headers = {"WWW-Authenticate": "Bearer", **error.allowance.headers}
    return on_error(request, Problem(401, "bad_credentials", str(error), headers))


def _on_wrong_password(request: Request[Any, Any, Any], error: BadCredentials) -> Response[dict[str, Any]]:
    # Not a 401: the bearer is good, and a client would refresh it and ask again.
    return on_error(
        request, Problem(403, "wrong_password", "The current password is wrong", error.allowance.headers)
    )


def _on_bad_refresh(request: Request[Any, Any, Any], error: BadToken) -> Response[dict[str, Any]]:
    return on_error(request, Problem(401, "bad_refresh_token", str(error), {"WWW-Authenticate": "Bearer"}))


def _on_ended(request: Request[Any, Any, Any], error: SessionEnded) -> Response[dict[str, Any]]:
    return on_error(
        request, Problem(401, "session_ended", f"Sign in again: {error}", {"WWW-Authenticate": "Bearer"})
    )


COMMON: dict[int | type[Exception], Any] = {
    InvalidField: _on_invalid,
    AccountGone: _on_gone,
    RevMoved: _on_moved,
    Throttled: _on_throttled,
    Overloaded: _on_overloaded,
}
USER_ANSWERS = COMMON | {BadCredentials: _on_wrong_password}
SESSION_ANSWERS = COMMON | {
    BadCredentials: _on_bad_credentials,
    BadToken: _on_bad_refresh,
    SessionEnded: _on_ended,
}

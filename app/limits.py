"""Request limits: who counts as one client, and the answer to one that asks too often. Off unless a limit is set."""

from typing import Any, Final

import msgspec
from litestar.connection import ASGIConnection
from litestar.types import Message

from app.problems import MEDIA_TYPE, Problem, problem_body
from app.security.principal import OPERATOR_ID, principal_of
from app.security.throttle import Allowance, RequestLimit, Throttled, network_of

LIMITED: Final = "/v1/"  # pages, health and metrics are not counted


async def enter(limit: RequestLimit, scope: Any) -> Allowance | None:
    """Takes a request's allowance; None for what is not counted. Raises `Throttled`."""
    if not scope["path"].startswith(LIMITED):
        return None
    client = _client(scope)
    return await limit.enter(client) if client is not None else None


def _client(scope: Any) -> str | None:
    """The account, else the address: a token that anybody gets for the asking would be a new client each time.

    None for the operator, whose command line sends as much as it has to.
    """
    try:
        principal = principal_of(ASGIConnection(scope))
    except Problem:
        principal = None  # a bearer that is not good names nobody; the route says so
    if principal is None:
        client = scope.get("client")
        return f"address:{network_of(client[0] if client else None)}"
    return None if principal.user_id == OPERATOR_ID else f"user:{principal.user_id}"


def refusal(scope: Any, error: Throttled) -> tuple[Message, Message]:
    """The 429 as the two messages of an ASGI answer; its headers are the allowance's."""
    body = msgspec.json.encode(problem_body(429, "too_many_requests", str(error), instance=scope["path"]))
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    return (
        {"type": "http.response.start", "status": 429, "headers": headers},
        {"type": "http.response.body", "body": body, "more_body": False},
    )

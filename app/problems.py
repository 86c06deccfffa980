"""What the edge says when it says no: RFC 9457 problem details, one stable code for each reason.

`CODES` is the one list of what the edge itself says, `REFUSALS` (documents/refusals.py) of what the rules say;
`HTTP_STATUS` maps the latter to HTTP. docs/problems.md lists them all, and a test holds the lists together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)
from pymongo.errors import ConnectionFailure, ExecutionTimeout

from documents.refusals import REFUSALS, Refusal

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
MEMBERS = frozenset({"type", "title", "status", "detail", "code", "instance"})


@dataclass(frozen=True, slots=True)
class Code:
    """One reason to say no: its usual HTTP status, and a title that never changes."""

    status: int
    title: str


CODES: dict[str, Code] = {
    "bad_json": Code(400, "The body is not JSON"),
    "bad_request": Code(400, "The request cannot be understood"),
    "bad_cursor": Code(400, "The cursor does not fit the list"),
    "idempotency_key_required": Code(400, "An Idempotency-Key is needed"),
    "bad_idempotency_key": Code(400, "The Idempotency-Key cannot be used"),
    "unauthorized": Code(401, "A credential is needed"),
    "forbidden": Code(403, "The role for this is missing"),
    "not_found": Code(404, "There is no such thing"),
    "method_not_allowed": Code(405, "The resource does not know this method"),
    "not_acceptable": Code(406, "The resource has no such representation"),
    "conflict": Code(409, "The state of the resource does not allow this"),
    "gone": Code(410, "It is no longer there"),
    "operation_expired": Code(410, "The operation was too long ago"),
    "too_large": Code(413, "The body is too large"),
    "unsupported_media_type": Code(415, "The body's type is not understood"),
    "invalid_input": Code(422, "Some fields do not hold what they should"),
    "bad_isbn": Code(422, "That is not an ISBN"),
    "cannot_merge_itself": Code(422, "A cart cannot be merged into itself"),
    "too_many_requests": Code(429, "Too many requests"),
    "internal_error": Code(500, "Something broke on our side"),
    "operation_failed": Code(500, "The command could not be processed"),
    "broker_unavailable": Code(503, "The broker is not available"),
    "database_unavailable": Code(503, "The database is not available"),
    "too_many_watchers": Code(503, "Too many clients watch"),
    "unavailable": Code(503, "A part that this needs is not available"),
    "outcome_unknown": Code(504, "It is not known whether the command was accepted"),
}
"""Codes of the edge itself; other modules of the edge add theirs here."""

REFUSED: dict[str, int] = {
    "not_permitted": 403,
    "not_found": 404,
    "book_unknown": 404,
    "quantity_too_large": 422,
    "idempotency_key_reused": 422,
}
"""Refusals that are not 409, the state's own conflict: 422 marks input that can never work."""

BY_STATUS: dict[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    410: "gone",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_input",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
    504: "outcome_unknown",
}


class Problem(Exception):
    """An answer that says no. `code` is one of `CODES` or a refusal's; `extensions` are JSON values for programs."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        /,
        **extensions: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.extensions = extensions


def refusal_status(code: str) -> int:
    """The HTTP status of a rule's code."""
    return REFUSED.get(code, 409)


def title_of(code: str) -> str:
    """The sentence that stands for a code, whoever says it."""
    if code in CODES:
        return CODES[code].title
    return REFUSAL_TITLES.get(code, code.replace("_", " ").capitalize())


def described(code: str) -> Code | None:
    """A code's status and title, whoever says it; None for one that nobody says."""
    if code in CODES:
        return CODES[code]
    title = REFUSAL_TITLES.get(code)
    return Code(refusal_status(code), title) if title else None


def _title(refusal: type[Refusal]) -> str:
    return (refusal.__doc__ or refusal.code).strip().splitlines()[0].rstrip(".")


REFUSAL_TITLES: dict[str, str] = {refusal.code: _title(refusal) for refusal in REFUSALS}


def problem_body(
    status: int, code: str, detail: str, /, *, instance: str | None = None, **extensions: Any
) -> dict[str, Any]:
    """A problem as JSON. An extension that is named like a member of the standard is shown as `actor_<name>`."""
    body: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": title_of(code),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if instance is not None:
        body["instance"] = instance
    return {
        **body,
        **{f"actor_{name}" if name in MEMBERS else name: value for name, value in extensions.items()},
    }


def problem_response(
    request: Request[Any, Any, Any],
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    /,
    **extensions: Any,
) -> Response[dict[str, Any]]:
    """A problem as an answer to a request."""
    body = problem_body(status, code, detail, instance=request.url.path, **extensions)
    return Response(body, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


class Said(NamedTuple):
    """An answer that says no: its status, the problem, and headers besides its media type."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


def said_of(error: Exception, method: str, path: str, correlation_id: str) -> Said:
    """What is answered to an error that is not the framework's: our own, a rule's, the database's, or a bug."""
    if isinstance(error, Problem):
        body = problem_body(error.status, error.code, error.detail, instance=path, **error.extensions)
        return Said(error.status, body, error.headers)
    if isinstance(error, Refusal):
        status = refusal_status(error.code)
        return Said(
            status, problem_body(status, error.code, error.message, instance=path, **error.details), {}
        )
    if isinstance(error, ConnectionFailure | ExecutionTimeout):
        log.warning("database.unavailable", path=path, error=str(error))
        detail = "The database does not answer: try again"
        body = problem_body(503, "database_unavailable", detail, instance=path)
        return Said(503, body, {"Retry-After": "2"})
    # A bug: logged in full, told in one sentence.
    log.error("request.failed", method=method, path=path, correlation_id=correlation_id, exc_info=error)
    detail = f"The request failed for a reason of ours. Name {correlation_id} when you ask about it"
    return Said(
        500,
        problem_body(500, "internal_error", detail, instance=path, correlation_id=correlation_id),
        {},
    )


def on_error(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """See `said_of`."""
    correlation_id = request.scope.get("state", {}).get("correlation_id", "")
    said = said_of(error, request.method, request.url.path, correlation_id)
    return Response(said.body, status_code=said.status, headers=said.headers, media_type=MEDIA_TYPE)


def on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[dict[str, Any]]:
    """Fields that do not hold what they should, each by name."""
    found = error.extra if isinstance(error.extra, list) else []
    errors = [_field(each) for each in found]
    names = ", ".join(f"{each['field']}: {each['message']}" for each in errors) or error.detail
    return problem_response(request, 422, "invalid_input", names, errors=errors)


def _field(error: Mapping[str, Any]) -> dict[str, str]:
    """One field and what is wrong with it. Litestar calls the body `data`, and only names it where it is missing."""
    name, message = str(error.get("key", "body")), str(error.get("message", ""))
    if name == "data":
        return {"field": "body", "message": "is missing" if message == "'data'" else message}
    return {"field": name, "message": message}


def invalid(**fields: str) -> Problem:
    """The problem of fields that look right and are not: `invalid(email="is not an address")`.

    A double underscore stands for the dot of a nested field.
    """
    errors = [{"field": name.replace("__", "."), "message": message} for name, message in fields.items()]
    return Problem(
        422,
        "invalid_input",
        ", ".join(f"{each['field']}: {each['message']}" for each in errors),
        errors=errors,
    )


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    """The framework's own: unknown routes, wrong methods, bodies that are too large or no JSON."""
    status = error.status_code
    if status >= 500:
        return on_error(request, error)
    if isinstance(error.__cause__, SerializationException):
        return problem_response(request, 400, "bad_json", f"The body is not JSON: {error.detail}")
    code = BY_STATUS.get(status, "bad_request")
    headers = dict(error.headers or {})
    if status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    if isinstance(error, MethodNotAllowedException):
        headers = {
            name: allowed(value) if name.lower() == "allow" else value for name, value in headers.items()
        }
    return problem_response(request, status, code, _detail(request, error), headers)


def allowed(methods: str) -> str:
    """The methods of a resource, in one order; whatever answers GET answers HEAD (see app/outside.py)."""
    known = {each.strip() for each in methods.split(",")}
    return ", ".join(sorted(known | {"HEAD"} if "GET" in known else known))


def _detail(request: Request[Any, Any, Any], error: HTTPException) -> str:
    path = request.url.path
    if isinstance(error, MethodNotAllowedException):
        return f"{path} does not know {request.method}"
    if isinstance(error, NotFoundException):
        return error.detail if error.detail != HTTPStatus.NOT_FOUND.phrase else f"There is nothing at {path}"
    return error.detail or HTTPStatus(error.status_code).phrase


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    Problem: on_error,
    Refusal: on_error,
    ValidationException: on_validation,
    HTTPException: on_http,
    Exception: on_error,
}
"""What answers for which exception: every 4xx and 5xx of the edge comes from here."""

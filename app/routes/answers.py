"""What routes have in common in the OpenAPI document: problems, and how a command answers."""

from dataclasses import dataclass, replace
from typing import Any

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Operation, Parameter, Schema

from app.operations import OperationView, ProblemView
from app.problems import MEDIA_TYPE

SENTENCES = {
    400: "The request cannot be understood",
    401: "A credential is needed",
    403: "The role for this is missing",
    404: "Not there, or another's",
    409: "A rule says no: see `code`",
    410: "No longer there",
    412: "The resource is at another revision",
    413: "The body is too large",
    415: "The body's type is not understood",
    422: "Input that can never work: see `errors` or `code`",
    429: "Too many requests: see `Retry-After`",
    500: "The command could not be processed, and had no effect",
    503: "A part that this needs is away; nothing was accepted",
    504: "The broker did not confirm in time: the same Idempotency-Key is safe to send again",
}


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The problems that a route may answer with."""
    return {
        status: ResponseSpec(
            ProblemView, description=SENTENCES[status], media_type=MEDIA_TYPE, generate_examples=False
        )
        for status in statuses
    }


def command(result: Any, *statuses: int) -> dict[int, ResponseSpec]:
    """How a command answers: 202, with `Prefer: wait` 200 or a problem; `statuses` are problems besides the usual."""
    return {
        200: ResponseSpec(
            OperationView[result],
            description="With `Prefer: wait`, once it is done: `result` is the resource as it now is",
            generate_examples=False,
        ),
        **problems(400, 401, 404, 409, 413, 422, 500, 503, 504, *statuses),
    }


PREFER = Parameter(
    name="Prefer",
    param_in="header",
    description="`wait=N`: answer once the outcome is known, after at most N seconds (30 at most)",
    schema=Schema(type=OpenAPIType.STRING, examples=["wait=10"]),
)
IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    param_in="header",
    description="1 to 255 printable characters; the same key and request again give the same operation",
    schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=255),
)


@dataclass
class CommandOperation(Operation):
    """A command in the OpenAPI document: with the two headers that every one takes."""

    def __post_init__(self) -> None:
        """Adds the headers to the route's own parameters."""
        self.parameters = [*(self.parameters or []), PREFER, IDEMPOTENCY_KEY]


@dataclass
class KeyedOperation(Operation):
    """A command that needs its Idempotency-Key."""

    def __post_init__(self) -> None:
        """Adds the headers to the route's own parameters."""
        self.parameters = [*(self.parameters or []), PREFER, replace(IDEMPOTENCY_KEY, required=True)]

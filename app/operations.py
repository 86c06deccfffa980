"""Operations: what a sender reads of its command, from a receipt, from a reply, or from nothing but the signed id."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

from app.problems import problem_body, refusal_status
from app.security.capabilities import Operation
from broker.replies import Reply
from documents.operations import Outcome
from documents.refusals import IdempotencyKeyReused

T = TypeVar("T")

Status = Literal["pending", "succeeded", "rejected", "failed"]


class ProblemView(msgspec.Struct, kw_only=True):
    """Problem details (RFC 9457); `code` is stable, and a code's own members stand beside these."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | msgspec.UnsetType = msgspec.UNSET


class OperationView(msgspec.Struct, Generic[T], kw_only=True):
    """A command that was accepted. `result` is the resource as it now is, once it succeeded.

    `resource` names it ("carts/…", "orders/…"). `replayable`: it failed without effect, and the shop can try again; not
    any more once its dead letter was dropped.
    """

    id: str
    status: Status
    resource: str
    result: T | None = None
    problem: dict[str, Any] | None = None
    replayable: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """What a receipt or a reply says of a command; `note` is the handler's own small result."""

    status: Outcome
    fingerprint: str
    resource: str | None
    problem: dict[str, Any] | None
    note: dict[str, Any] | None
    accepted_at: datetime | None = None
    group: str = ""
    dropped: bool = False  # nothing sends it again
    state: bytes | None = None  # the resource's document as it was committed (BSON), where a reply brought it

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.status is not Outcome.PENDING


def ended_of(receipt: dict[str, Any]) -> Ended:
    """What a receipt says, as MongoDB gives it."""
    return Ended(
        Outcome(receipt["status"]),
        receipt.get("fingerprint", ""),
        receipt.get("resource"),
        receipt.get("problem"),
        receipt.get("result"),
        receipt.get("accepted_at"),
        receipt.get("group", ""),
        receipt.get("dropped", False),
    )


def replied(reply: Reply) -> Ended:
    """What a reply says."""
    return Ended(
        Outcome(reply.status),
        reply.fingerprint,
        reply.resource,
        reply.problem,
        reply.result,
        None,
        reply.group,
        state=reply.state,
    )


def reused(operation: Operation, ended: Ended | None) -> bool:
    """Whether the outcome belongs to another request with the same Idempotency-Key."""
    return ended is not None and bool(ended.fingerprint) and ended.fingerprint != operation.fingerprint


def pending(name: str, operation: Operation) -> OperationView[Any]:
    """An operation of which nothing but its id is known."""
    return OperationView(id=name, status="pending", resource=operation.resource)


def view(name: str, operation: Operation, ended: Ended | None, result: Any = None) -> OperationView[Any]:
    """An operation as its sender sees it; `result` is the resource as it now is."""
    if ended is None:
        return pending(name, operation)
    if reused(operation, ended):
        return OperationView(
            id=name, status="rejected", resource=operation.resource, problem=problem_of(name, REUSED)
        )
    return OperationView(
        id=name,
        status=ended.status.value,
        resource=ended.resource or operation.resource,
        result=result if result is not None else ended.note,
        problem=problem_of(name, ended) if ended.problem is not None else None,
        replayable=ended.status is Outcome.FAILED and not ended.dropped,
    )


def _reused() -> Ended:
    refusal = IdempotencyKeyReused()
    return Ended(Outcome.REJECTED, "", None, {"code": refusal.code, "detail": refusal.message}, None)


REUSED = _reused()


def problem_of(name: str, ended: Ended) -> dict[str, Any]:
    """The problem of an operation that was rejected or failed, with its id."""
    problem = dict(ended.problem or {})
    detail = str(problem.pop("detail", "The command was not carried out"))
    code = str(problem.pop("code", "operation_failed"))
    if ended.status is Outcome.FAILED:
        # What broke is ours to know: the sender reads that it failed, had no effect, and under which id.
        return problem_body(
            500, "operation_failed", "The command could not be processed and had no effect", operation=name
        )
    return problem_body(refusal_status(code), code, detail, operation=name, **problem)

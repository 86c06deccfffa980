"""A command's way in: from an HTTP request to a confirmed message, and to the answer.

202  the broker has it: Location, and the pending operation as body
200  with `Prefer: wait=N`, once it succeeded: the operation, `result` as the resource now is
4xx  with `Prefer: wait=N`, once a rule said no: a problem with the rule's code
503  nothing was accepted                                504  it is not known; the same key is safe to send again
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog
from litestar import Response
from pymongo.errors import PyMongoError

from app.edge import Edge, edge_of
from app.intake import AnyRequest, Asked, Intake, asked_of, identify
from app.operations import REUSED, Ended, OperationView, problem_of, reused, view
from app.prefer import applied, wait_of
from app.problems import MEDIA_TYPE, Problem
from app.reads.resources import read_resource
from app.security.capabilities import Operation, operation_id, operation_of
from broker.messages import Command, Envelope, Sender, pack
from broker.publish import BrokerUnavailable, MessageTooLarge, OutcomeUnknown, Unroutable
from broker.replies import Reply
from broker.topology import GROUPS, route
from documents.operations import Outcome

log = structlog.get_logger(__name__)

RETRY_AFTER_S = "2"
LOOK_UP_S = 0.5  # the receipt of an earlier try is a courtesy: a slow database must not keep a command out
GROUP_NAMES = tuple(group.name for group in GROUPS)


class Answered(NamedTuple):
    """What the sender reads; a problem is JSON builtins."""

    status: int
    body: OperationView[Any] | dict[str, Any]
    headers: dict[str, str]

    @property
    def media_type(self) -> str:
        """Of the body."""
        return MEDIA_TYPE if isinstance(self.body, dict) else "application/json"


async def accept(
    request: AnyRequest, message: Command, *, sender: Sender, resource: str, taken: Intake | None = None
) -> Response[OperationView[Any]]:
    """Publishes a command and answers as the contract says.

    `resource` names what it is about ("carts/…", "orders/…", "books/…", "stock/…", "shipments/…") and is what `result`
    shows. `taken` is passed where the message was made from it (an order's id), else it is taken from the request
    here. Raises `Problem`.
    """
    asked = await asked_of(request)
    answered = await take_in(edge_of(request), asked, message, sender=sender, resource=resource, taken=taken)
    answer: Response[Any] = Response(
        answered.body,
        status_code=answered.status,
        headers=answered.headers,
        media_type=answered.media_type,
    )
    return answer


async def take_in(
    edge: Edge,
    asked: Asked,
    message: Command,
    *,
    sender: Sender,
    resource: str,
    taken: Intake | None = None,
) -> Answered:
    """`accept`, whoever read the request. Raises `Problem`."""
    taken = taken or identify(asked, sender)
    way_in = _WayIn(asked, edge, message, sender, resource, taken)
    earlier = await way_in.look_up() if taken.keyed else None
    if earlier is not None:
        return await way_in.again(earlier)
    return await way_in.send()


class _WayIn:
    """One command on its way in."""

    def __init__(
        self,
        asked: Asked,
        edge: Edge,
        message: Command,
        sender: Sender,
        resource: str,
        taken: Intake,
    ) -> None:
        self.asked = asked
        self.edge = edge
        self.message = message
        self.sender = sender
        self.resource = resource
        self.taken = taken
        self.now = datetime.now(UTC)
        self.wait_s = wait_of(asked.prefer, edge.wait_s_max)
        self._name(self.now)

    def _name(self, accepted_at: datetime) -> None:
        self.operation: Operation = operation_of(
            self.message.group,
            self.taken.message_id,
            self.taken.fingerprint,
            self.sender.id,
            self.resource,
            accepted_at,
        )
        self.name = operation_id(self.edge.keyring, self.operation)
        self.location = {"Location": f"/v1/operations/{self.name}"}

    async def look_up(self) -> Ended | None:
        """What an earlier request with this key came to, if that is known already.

        Every group is asked: a key belongs to its sender, whatever it was used for. Without an answer the command goes
        its way, and its group finds out.
        """
        try:
            async with asyncio.timeout(LOOK_UP_S):
                return await self.edge.receipts.of(GROUP_NAMES, self.taken.message_id)
        except (PyMongoError, TimeoutError) as error:
            log.warning("receipt.not_read", message_id=self.taken.message_id, error=repr(error))
            return None

    async def again(self, earlier: Ended) -> Answered:
        """Answers from the receipt of an earlier request; nothing is published."""
        if reused(self.operation, earlier):
            raise Problem(422, "idempotency_key_reused", str(REUSED.problem and REUSED.problem["detail"]))
        if earlier.accepted_at is not None:
            self._name(earlier.accepted_at)
        if not earlier.over and self.wait_s:
            earlier = await self._outcome(None) or earlier
        return await self._answer(earlier)

    async def send(self) -> Answered:
        """Publishes, and waits for the outcome where the sender does. The reply is expected before it can come."""
        listening = bool(self.wait_s) and self.edge.listener.ready
        reply = self.edge.replies.expect(self.taken.message_id) if listening else None
        try:
            await self._publish(self.edge.replies.queue if listening else None)
            if not self.wait_s:
                return await self._answer(None)
            return await self._answer(await self._outcome(reply))
        finally:
            if reply is not None:
                reply.cancel()

    async def _outcome(self, reply: asyncio.Future[Reply] | None) -> Ended | None:
        return await self.edge.receipts.outcome(
            self.message.group, self.taken.message_id, self.wait_s, reply, self.edge.leaving
        )

    async def _publish(self, reply_to: str | None) -> None:
        """Returns once the broker has it; counts what came of it."""
        kind = type(self.message).__name__
        exchange, routing_key = route(self.message)
        came_of_it = "error"
        try:
            await self.edge.publisher.publish(self._envelope(), exchange, routing_key, reply_to=reply_to)
            came_of_it = "accepted"
        except (BrokerUnavailable, Unroutable) as error:
            came_of_it = "unroutable" if isinstance(error, Unroutable) else "unavailable"
            log.error("command.not_accepted", type=kind, message_id=self.taken.message_id, error=str(error))
            raise Problem(
                503,
                "broker_unavailable",
                "The broker does not take commands now. Nothing was accepted: try again",
                {"Retry-After": RETRY_AFTER_S},
            ) from error
        except OutcomeUnknown as error:
            came_of_it = "unknown"
            log.warning("command.unknown", type=kind, message_id=self.taken.message_id, error=str(error))
            raise Problem(
                504,
                "outcome_unknown",
                "The broker did not confirm in time, so the command may or may not be carried out. "
                "Look at the operation, or send it again with the same Idempotency-Key",
                self.location,
                operation=self.name,
            ) from error
        except MessageTooLarge as error:
            came_of_it = "too_large"
            raise Problem(413, "too_large", "The command is larger than the broker takes") from error
        finally:
            self.edge.metrics.published(kind, came_of_it)

    def _envelope(self) -> Envelope:
        return Envelope(
            id=self.taken.message_id,
            type=type(self.message).__name__,
            version=self.message.version,
            key=self.message.key,
            sender=self.sender,
            accepted_at=self.now,
            correlation_id=self.asked.correlation_id,
            traceparent=self.asked.traceparent,
            fingerprint=self.taken.fingerprint,
            data=pack(self.message),
        )

    async def _answer(self, ended: Ended | None) -> Answered:
        """What the sender reads: 202 while it runs or where it did not wait, else how it ended."""
        headers = {**self.location, **applied(self.wait_s)}
        if ended is None or not ended.over or not self.wait_s:
            return Answered(202, view(self.name, self.operation, ended), headers)
        if reused(self.operation, ended):
            return self._problem(REUSED, headers)
        if ended.status is not Outcome.SUCCEEDED:
            return self._problem(ended, headers)
        resource = ended.resource or self.resource
        result = await read_resource(self.edge, resource, self.sender.id, ended.state)
        return Answered(200, view(self.name, self.operation, ended, result), headers)

    def _problem(self, ended: Ended, headers: dict[str, str]) -> Answered:
        body = problem_of(self.name, ended)
        return Answered(body["status"], {**body, "instance": self.asked.path}, headers)

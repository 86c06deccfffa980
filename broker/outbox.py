"""The outbox: rows written with the effect that decided them, published after the commit, removed once confirmed.

The worker that wrote a row holds its first lease and publishes it at once; a relay picks up what a crash or a broker
that was away left behind. A row is never "in progress": whoever's lease has run out has lost it.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import structlog
from uuid_utils import uuid7

from broker.messages import SYSTEM, Envelope, Event, Message, pack
from broker.publish import BrokerUnavailable, OutcomeUnknown, Publisher, Unroutable
from broker.together import Together
from broker.topology import route
from documents.actors import Actor, utc_now
from documents.outbox import OutboxRow

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=15)
RELAY_EVERY_S = 2.0
RELAY_BATCH = 500
IN_FLIGHT_MAX = 256

Row = dict[str, Any]


def follow_up(
    cause: Envelope,
    message: Message,
    number: int = 0,
    *,
    operation: str | None = None,
    actor: Actor | None = None,
) -> Envelope:
    """The envelope of a message that follows from another: its id derives from the cause's, so that a repeat is one."""
    return Envelope(
        id=derived_id(cause.id, type(message).__name__, number),
        type=type(message).__name__,
        version=message.version,
        key=message.key,
        sender=SYSTEM,
        accepted_at=utc_now(),
        correlation_id=cause.correlation_id,
        causation_id=cause.id,
        traceparent=cause.traceparent,
        fingerprint=cause.fingerprint if operation else "",
        operation=operation,
        rev=actor.rev
        if actor is not None and isinstance(message, Event) and actor.id == message.key
        else None,
        data=pack(message),
    )


def derived_id(cause: str, what: str, number: int) -> str:
    """The id of what follows from a message: the same however often the message is processed. 32 hex digits."""
    return blake2b(f"{cause} {what} {number}".encode(), digest_size=16).hexdigest()


def row_of(envelope: Envelope, message: Message, *, reply_to: str | None = None) -> Row:
    """The row of a message, leased to this worker."""
    exchange, routing_key = route(message)
    mandatory = not isinstance(message, Event) or message.mandatory
    return raw_row(
        envelope.to_bytes(),
        exchange,
        routing_key,
        message_id=envelope.id,
        type_=envelope.type,
        correlation_id=envelope.correlation_id,
        headers={"traceparent": envelope.traceparent} if envelope.traceparent else None,
        mandatory=mandatory,
        reply_to=reply_to,
    )


def raw_row(
    body: bytes,
    exchange: str,
    routing_key: str,
    *,
    message_id: str,
    type_: str,
    correlation_id: str,
    headers: dict[str, Any] | None = None,
    mandatory: bool = True,
    reply_to: str | None = None,
) -> Row:
    """A row that sends a body as it is."""
    now = utc_now()
    return {
        "_id": str(uuid7()),
        "message_id": message_id,
        "type": type_,
        "exchange": exchange,
        "routing_key": routing_key,
        "body": body,
        "headers": headers or {},
        "correlation_id": correlation_id,
        "mandatory": mandatory,
        "reply_to": reply_to,
        "created_at": now,
        "lease_until": now + LEASE,
    }


class Outbox:
    """Publishes rows and removes those that the broker has confirmed."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._in_flight = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._remove = Together(_remove)

    async def send(self, rows: Sequence[Row]) -> int:
        """Publishes rows in their order of creation and removes the confirmed ones; returns how many were.

        What fails stays for the relay: nothing is lost. Raises `PyMongoError` where the confirmed ones could not be
        removed: they are sent again, and absorbed by their receipts.
        """
        if not rows:
            return 0
        sent = await asyncio.gather(*(self._send(row) for row in rows))
        confirmed = [row["_id"] for row, done in zip(rows, sent, strict=True) if done]
        if confirmed:
            await self._remove(confirmed)
        return len(confirmed)

    async def _send(self, row: Row) -> bool:
        async with self._in_flight:
            try:
                await self._publisher.publish_body(
                    bytes(row["body"]),
                    row["exchange"],
                    row["routing_key"],
                    message_id=row["message_id"],
                    type=row["type"],
                    correlation_id=row["correlation_id"],
                    headers=row["headers"] or None,
                    mandatory=row["mandatory"],
                    reply_to=row["reply_to"],
                    bytes_max=None,
                )
            except (BrokerUnavailable, OutcomeUnknown) as error:
                log.warning("outbox.later", message_id=row["message_id"], type=row["type"], error=str(error))
                return False
            except (Unroutable, TypeError, ValueError) as error:  # the latter two: what AMQP cannot encode
                log.error("outbox.refused", message_id=row["message_id"], type=row["type"], error=str(error))
                return False
            return True

    async def relay_once(self) -> int:
        """Publishes rows whose lease has run out; returns how many were confirmed."""
        rows = await self._lease()
        return await self.send(rows)

    async def _lease(self) -> list[Row]:
        collection = OutboxRow.get_pymongo_collection()
        now = utc_now()
        found = collection.find({"lease_until": {"$lt": now}}).sort("_id", 1).limit(RELAY_BATCH)
        rows = []
        async for row in found:
            mine = await collection.update_one(
                {"_id": row["_id"], "lease_until": row["lease_until"]}, {"$set": {"lease_until": now + LEASE}}
            )
            if mine.modified_count:
                rows.append(row)
        return rows


async def _remove(ids: list[str]) -> None:
    await OutboxRow.get_pymongo_collection().delete_many({"_id": {"$in": ids}})

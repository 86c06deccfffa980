"""Messages that nobody can process: each must end as a dead letter, and nobody else must notice."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import msgspec
from aio_pika import DeliveryMode, Message

from broker.messages import AddItem, Envelope, Sender, pack
from broker.topology import BY_NAME, slot_of
from documents.actors import utc_now
from tests.faults.kinds.kind import kind
from tests.faults.points import EXITS, RAISES

if TYPE_CHECKING:
    from tests.faults.nemesis import Done, Fault, Nemesis

MANY = 3
LARGE_BYTES = 1 << 20
OLD = timedelta(days=31)
ISBN = "9786600000008"

Make = Callable[[str, str], bytes]  # message id and actor's key to a body


def _envelope(message_id: str, key: str, **changes: object) -> Envelope:
    message = AddItem(cart_id=key, isbn=ISBN, quantity=1)
    envelope = Envelope(
        id=message_id,
        type="AddItem",
        version=AddItem.version,
        key=key,
        sender=Sender(f"guest:{key}", holds=(key,)),
        accepted_at=utc_now(),
        correlation_id=message_id,
        data=pack(message),
    )
    return msgspec.structs.replace(envelope, **changes)


def no_json(_message_id: str, _key: str) -> bytes:
    """Cut off in the middle."""
    return b'{"id": "a message that was cut'


def no_schema(message_id: str, key: str) -> bytes:
    """An item without a quantity."""
    return _envelope(message_id, key, data=msgspec.Raw(b'{"cart_id": "c", "isbn": 7}')).to_bytes()


def no_version(message_id: str, key: str) -> bytes:
    """From a release that is not there yet."""
    return _envelope(message_id, key, version=99).to_bytes()


def no_type(message_id: str, key: str) -> bytes:
    """A message that nobody knows."""
    return _envelope(message_id, key, type="EatItem").to_bytes()


def too_large(message_id: str, key: str) -> bytes:
    """A megabyte round a small message."""
    padded = msgspec.json.decode(_envelope(message_id, key).to_bytes())
    return msgspec.json.encode({**padded, "padding": "x" * LARGE_BYTES})


def too_old(message_id: str, key: str) -> bytes:
    """Older than receipts are kept."""
    return _envelope(message_id, key, accepted_at=utc_now() - OLD).to_bytes()


def raising(message_id: str, key: str) -> bytes:
    """Its handler raises."""
    return _envelope(message_id, key, correlation_id=RAISES).to_bytes()


def exiting(message_id: str, key: str) -> bytes:
    """Its handler takes the process with it."""
    return _envelope(message_id, key, correlation_id=EXITS).to_bytes()


async def poison(make: Make, many: int, nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """Straight into the queues of a group: ordered or, where the message is undecodable, any."""
    groups = (
        ["carts"]
        if make in (raising, exiting, too_old)
        else ["carts", "orders", "catalog", "payments", "notifications"]
    )
    group = BY_NAME[dice.choice(groups)]
    async with nemesis.channel() as channel:
        for number in range(many):
            message_id = f"poison-{fault.number}-{number}-{secrets.token_hex(4)}"
            key = secrets.token_hex(8)
            message = Message(
                make(message_id, key),
                message_id=message_id,
                type="AddItem",
                delivery_mode=DeliveryMode.PERSISTENT,
                content_type="application/json",
            )
            nemesis.poison.add((group.name, message_id))
            await channel.default_exchange.publish(message, group.queue_of(slot_of(key)))
    done.what = f"{many} in {group.name}"
    await asyncio.sleep(fault.hold_s)


KINDS = (
    kind("poison-json", partial(poison, no_json, MANY), "broker", "poison"),
    kind("poison-schema", partial(poison, no_schema, MANY), "broker", "poison"),
    kind("poison-version", partial(poison, no_version, MANY), "broker", "poison"),
    kind("poison-type", partial(poison, no_type, MANY), "broker", "poison"),
    kind("poison-large", partial(poison, too_large, MANY), "broker", "poison"),
    kind("poison-old", partial(poison, too_old, MANY), "broker", "poison"),
    kind("poison-raises", partial(poison, raising, MANY), "broker", "poison"),
    kind("poison-exits", partial(poison, exiting, 1), "broker", "poison", "worker", long=True),
)

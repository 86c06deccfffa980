"""Messages that come twice, shuffled, late, after a week, or all at once out of a dead-letter queue."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import msgspec
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel

from broker.messages import Envelope
from broker.runtime import GaveUp
from broker.suspicion import KilledItsWorker
from broker.topology import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, GROUPS, SLOTS
from tests.faults.kinds.kind import kind

if TYPE_CHECKING:
    from tests.faults.nemesis import Done, Fault, Nemesis

LISTENED_S = 2.0
KEPT_MAX = 400
WEEK = timedelta(days=7)
SLOTS_HEARD = 16
EXITS = (GaveUp.__name__, KilledItsWorker.__name__)  # what the letters of a killer say


class Seen(msgspec.Struct, frozen=True):
    """A message that passed by."""

    body: bytes
    exchange: str
    routing_key: str
    message_id: str
    type: str


async def _listen(channel: AbstractRobustChannel, dice: Random) -> list[Seen]:
    """Copies of what passes for a while: all events, and the commands of some slots of every group."""
    queue = await channel.declare_queue(exclusive=True, robust=False)
    await queue.bind(EVENTS_EXCHANGE, "#", robust=False)
    slots = dice.sample(range(SLOTS), SLOTS_HEARD)
    await asyncio.gather(
        *(
            queue.bind(COMMANDS_EXCHANGE, f"{group.name}.{slot}", robust=False)
            for group in GROUPS
            for slot in slots
        )
    )
    passed: deque[Seen] = deque(maxlen=KEPT_MAX)
    tag = await queue.consume(lambda message: passed.append(_seen(message)), no_ack=True)
    await asyncio.sleep(LISTENED_S)
    await queue.cancel(tag)
    await queue.delete(if_unused=False, if_empty=False)
    return list(passed)


def _seen(message: AbstractIncomingMessage) -> Seen:
    return Seen(
        message.body,
        message.exchange or "",
        message.routing_key or "",
        message.message_id or "",
        message.type or "",
    )


async def _send(channel: AbstractRobustChannel, messages: list[Seen]) -> None:
    for seen in messages:
        message = Message(
            seen.body,
            message_id=seen.message_id,
            type=seen.type,
            delivery_mode=DeliveryMode.PERSISTENT,
            content_type="application/json",
        )
        exchange = await channel.get_exchange(seen.exchange, ensure=False)
        await exchange.publish(message, seen.routing_key, mandatory=False)


async def _passing(nemesis: Nemesis, channel: AbstractRobustChannel, dice: Random) -> list[Seen]:
    """What passes, which is also kept for later."""
    seen = await _listen(channel, dice)
    nemesis.kept = [*nemesis.kept, *seen][-KEPT_MAX:]
    return seen


async def doubled(nemesis: Nemesis, _fault: Fault, done: Done, dice: Random) -> None:
    """Everything that passed for a while comes again."""
    async with nemesis.channel() as channel:
        seen = await _passing(nemesis, channel, dice)
        await _send(channel, seen)
    done.what = f"{len(seen)} messages"


async def shuffled(nemesis: Nemesis, _fault: Fault, done: Done, dice: Random) -> None:
    """Everything that passed for a while comes again, in any order, twice."""
    async with nemesis.channel() as channel:
        seen = await _passing(nemesis, channel, dice)
        await _send(channel, dice.sample([*seen, *seen], 2 * len(seen)))
    done.what = f"{len(seen)} messages"


async def late(nemesis: Nemesis, _fault: Fault, done: Done, dice: Random) -> None:
    """What passed some faults ago comes again."""
    async with nemesis.channel() as channel:
        if not nemesis.kept:
            nemesis.kept = await _listen(channel, dice)
        again = dice.sample(nemesis.kept, len(nemesis.kept) // 2)
        await _send(channel, again)
    done.what = f"{len(again)} messages"


async def week_old(nemesis: Nemesis, _fault: Fault, done: Done, dice: Random) -> None:
    """What passed comes again and says that it was accepted a week ago."""
    async with nemesis.channel() as channel:
        seen = nemesis.kept or await _listen(channel, dice)
        aged = []
        for each in seen:
            envelope = Envelope.from_bytes(each.body)
            older = msgspec.structs.replace(envelope, accepted_at=envelope.accepted_at - WEEK)
            aged.append(msgspec.structs.replace(each, body=older.to_bytes()))
        await _send(channel, aged)
    done.what = f"{len(aged)} messages"


async def held_back(nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """A consumer takes some of an unordered group's messages, and gives them back late and in another order."""
    group = dice.choice([group for group in GROUPS if not group.ordered])
    async with nemesis.channel() as channel:
        await channel.set_qos(prefetch_count=50)
        queue = await channel.get_queue(group.name, ensure=False)
        taken: list[Message] = []
        tag = await queue.consume(taken.append)  # type: ignore[arg-type]  # a plain function will do
        await asyncio.sleep(fault.hold_s)
        await queue.cancel(tag)
        done.what = f"{len(taken)} of {group.name}"
        for message in dice.sample(taken, len(taken)):
            copy = Message(message.body, headers=dict(message.headers), delivery_mode=DeliveryMode.PERSISTENT)
            copy.message_id, copy.type, copy.reply_to = message.message_id, message.type, message.reply_to
            copy.correlation_id = message.correlation_id
            await channel.default_exchange.publish(copy, group.name)
            await message.ack()  # type: ignore[attr-defined]


async def replay_dead(nemesis: Nemesis, _fault: Fault, done: Done, _dice: Random) -> None:
    """Everything that is dead goes round again, but for what kills its worker."""
    found = await nemesis.staff("GET", "/admin/dead")
    replayed = 0
    for cause in found["causes"]:
        if not any(each in cause["error"] for each in EXITS):
            answer = await nemesis.staff("POST", "/admin/dead/replay", {"cause": cause["id"]})
            replayed += answer["done"]
    done.what = f"{replayed} letters of {len(found['causes'])} causes"


KINDS = (
    kind("doubled", doubled, "messages", "broker"),
    kind("shuffled", shuffled, "messages", "broker"),
    kind("late", late, "messages", "broker"),
    kind("week-old", week_old, "messages", "broker"),
    kind("held-back", held_back, "messages", "broker"),
    kind("replay-dead", replay_dead, "messages", "broker", "edge"),
)

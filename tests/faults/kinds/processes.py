"""Processes that are killed, frozen and stopped, wherever they stand just then."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from ops.servers import Redis
from tests.faults.kinds.kind import kind
from tests.faults.points import EDGE_POINTS, WORKER_POINTS
from tests.faults.stand import Part

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.nemesis import Done, Fault, Nemesis

DIES_WITHIN_S = 4.0
LOOK_EVERY_S = 0.05
RECOVERED_WITHIN_S = 10.0

Send = Callable[[signal.Signals], None]


async def kill_part(kind_: str, nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """SIGKILL of one, which is started again only after a while."""
    part = dice.choice(nemesis.stand.edges if kind_ == "edge" else nemesis.stand.workers)
    done.what = part.name
    await _down(part, fault.hold_s)


async def _down(part: Part, hold_s: float) -> None:
    part.hold()
    part.signal(signal.SIGKILL)
    await asyncio.sleep(hold_s)
    part.release()


async def kill_at_point(kind_: str, nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """Whichever process passes a point first dies there."""
    parts = nemesis.stand.edges if kind_ == "edge" else nemesis.stand.workers
    point = dice.choice(EDGE_POINTS if kind_ == "edge" else WORKER_POINTS)
    armed = {part.name: part.arm(point) for part in parts}
    deadline = time.monotonic() + DIES_WITHIN_S
    while not (died := _gone(armed)) and time.monotonic() < deadline:  # noqa: ASYNC110 - a file tells nobody
        await asyncio.sleep(LOOK_EVERY_S)
    for part in parts:
        part.disarm()
    done.what = f"{point}: {', '.join(died) or 'nobody passed'}"
    await asyncio.sleep(fault.hold_s)


def _gone(armed: dict[str, Path]) -> list[str]:
    return [name for name, file in armed.items() if not file.exists()]


async def kill_rabbitmq(nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """SIGKILL of the node that leads a queue."""
    queue = dice.choice(["carts.0", "orders.3", "payments"])
    node = await nemesis.stand.servers.rabbitmq.leader_of(nemesis.stand.name, queue)
    done.what = f"{node.node.name}, leader of {queue}"
    await node.kill()
    await asyncio.sleep(fault.hold_s)
    await node.restart()


async def kill_mongod(nemesis: Nemesis, fault: Fault, done: Done, _dice: Random) -> None:
    """SIGKILL of the primary."""
    member = await nemesis.stand.servers.mongo.primary()
    done.what = f"primary at {member.port}"
    await member.kill()
    await asyncio.sleep(fault.hold_s)
    await member.start()


async def kill_redis(nemesis: Nemesis, fault: Fault, done: Done, _dice: Random) -> None:
    """SIGKILL of the cache, which comes back empty."""
    old = nemesis.stand.servers.redis
    done.what = old.url
    await old.kill()
    await asyncio.sleep(fault.hold_s)
    nemesis.stand.servers.redis = await Redis.start(nemesis.stand.servers.folder / "redis", port=old.port)


async def flush_redis(nemesis: Nemesis, _fault: Fault, done: Done, _dice: Random) -> None:
    """Nothing is cached any more."""
    from redis.asyncio import Redis as Client

    done.what = nemesis.stand.servers.redis.url
    async with Client.from_url(nemesis.stand.servers.redis.url) as client:
        await client.flushall()


async def freeze_part(kind_: str, nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """SIGSTOP of one: it believes afterwards that no time went by."""
    part = dice.choice(nemesis.stand.edges if kind_ == "edge" else nemesis.stand.workers)
    done.what = part.name
    await _frozen(part.signal, fault.freeze_s)


async def freeze_rabbitmq(nemesis: Nemesis, fault: Fault, done: Done, _dice: Random) -> None:
    """SIGSTOP of a queue's leader."""
    node = await nemesis.stand.servers.rabbitmq.leader_of(nemesis.stand.name, "carts.0")
    done.what = node.node.name
    await _frozen(node.signal, fault.freeze_s)


async def freeze_mongod(nemesis: Nemesis, fault: Fault, done: Done, _dice: Random) -> None:
    """SIGSTOP of the primary, which is none any more when it wakes."""
    member = await nemesis.stand.servers.mongo.primary()
    done.what = f"primary at {member.port}"
    await _frozen(member.signal, fault.freeze_s)


async def _frozen(send: Send, freeze_s: float) -> None:
    send(signal.SIGSTOP)
    try:
        await asyncio.sleep(freeze_s)
    finally:
        send(signal.SIGCONT)


async def rolling_stop(nemesis: Nemesis, _fault: Fault, done: Done, _dice: Random) -> None:
    """SIGTERM of every part, one after the other, as a deployment does."""
    done.what = "every part"
    for part in nemesis.stand.parts.values():
        done.figures[f"{part.name}_stopped_s"] = await part.restart()
        await asyncio.sleep(1)


KINDS = (
    kind("kill-edge", partial(kill_part, "edge"), "edge"),
    kind("kill-worker", partial(kill_part, "worker"), "worker", alone_s=RECOVERED_WITHIN_S),
    kind("kill-edge-at-point", partial(kill_at_point, "edge"), "edge"),
    kind("kill-worker-at-point", partial(kill_at_point, "worker"), "worker"),
    kind("kill-worker-at-point-again", partial(kill_at_point, "worker"), "worker"),
    kind("kill-worker-at-point-once-more", partial(kill_at_point, "worker"), "worker"),
    kind("kill-rabbitmq", kill_rabbitmq, "broker", alone_s=RECOVERED_WITHIN_S),
    kind("kill-mongod", kill_mongod, "database", alone_s=RECOVERED_WITHIN_S),
    kind("kill-redis", kill_redis, "cache"),
    kind("flush-redis", flush_redis, "cache"),
    kind("freeze-edge", partial(freeze_part, "edge"), "edge"),
    kind("freeze-worker", partial(freeze_part, "worker"), "worker", alone_s=RECOVERED_WITHIN_S),
    kind("freeze-rabbitmq", freeze_rabbitmq, "broker"),
    kind("freeze-mongod", freeze_mongod, "database"),
    kind("rolling-stop", rolling_stop, "edge", "worker"),
)

"""Networks that are slow, silent, one way, or cut."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from tests.faults.kinds.kind import kind

if TYPE_CHECKING:
    from tests.faults.nemesis import Done, Fault, Nemesis
    from tests.faults.proxy import Proxy

RESETS = 3


def _hit(nemesis: Nemesis, server: str, done: Done, dice: Random) -> list[Proxy]:
    """The proxies of one part to every node of the broker, or the one before a member of the replica set."""
    if server == "database":
        place = dice.randrange(len(nemesis.stand.servers.mongo_links))
        done.what = f"mongod {place + 1}"
        return [nemesis.stand.servers.mongo_links[place]]
    name = dice.choice(list(nemesis.stand.links))
    done.what = f"{name} to the broker"
    return nemesis.stand.links[name]


async def slow(server: str, nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """Every chunk takes its time."""
    links = _hit(nemesis, server, done, dice)
    latency_s = dice.uniform(0.05, 0.4)
    done.what += f", {latency_s * 1000:.0f} ms"
    for link in links:
        link.latency_s = latency_s
    await _until_healed(links, fault.hold_s)


async def silent(server: str, nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """A black hole: connections stand, and nothing passes."""
    links = _hit(nemesis, server, done, dice)
    for link in links:
        link.silence()
    await _until_healed(links, fault.freeze_s)


async def one_way(server: str, nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """One direction is silent."""
    links = _hit(nemesis, server, done, dice)
    up = dice.random() < 0.5
    done.what += ", to it" if up else ", from it"
    for link in links:
        link.silence("up" if up else "down")
    await _until_healed(links, fault.freeze_s)


async def reset(server: str, nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """Connections are reset, and again as soon as they stand."""
    links = _hit(nemesis, server, done, dice)
    for _ in range(RESETS):
        for link in links:
            link.reset()
        await asyncio.sleep(fault.hold_s / RESETS)


async def cut(server: str, nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """Cut in the middle of a frame."""
    links = _hit(nemesis, server, done, dice)
    count = dice.randint(1, 60_000)
    down = dice.random() < 0.5
    done.what += f", after {count} bytes {'from' if down else 'to'} it"
    for link in links:
        link.cut_after(count, "down" if down else "up")
    await _until_healed(links, fault.hold_s)


async def refused(server: str, nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """As if nobody listened."""
    links = _hit(nemesis, server, done, dice)
    for link in links:
        link.refuse()
    await _until_healed(links, fault.hold_s)


async def _until_healed(links: list[Proxy], seconds: float) -> None:
    try:
        await asyncio.sleep(seconds)
    finally:
        for link in links:
            link.heal()


KINDS = tuple(
    kind(f"{harm.__name__.replace('_', '-')}-{server}", partial(harm, server), server, "network")
    for server in ("broker", "database")
    for harm in (slow, silent, one_way, reset, cut, refused)
)

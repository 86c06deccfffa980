"""A broker that has run out of something, and a gateway in a mood."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from tests.faults.kinds.kind import kind

if TYPE_CHECKING:
    from tests.faults.nemesis import Done, Fault, Nemesis

POLICY = "policies/{}/full"


async def memory_alarm(nemesis: Nemesis, fault: Fault, done: Done, _dice: Random) -> None:
    """The broker stops reading publishers."""
    await _alarm(
        ("set_vm_memory_high_watermark", "0.00001"),
        ("set_vm_memory_high_watermark", "0.6"),
        nemesis,
        fault,
        done,
    )


async def disk_alarm(nemesis: Nemesis, fault: Fault, done: Done, _dice: Random) -> None:
    """As with memory."""
    await _alarm(("set_disk_free_limit", "100000GB"), ("set_disk_free_limit", "100MB"), nemesis, fault, done)


async def _alarm(
    raised: tuple[str, str], cleared: tuple[str, str], nemesis: Nemesis, fault: Fault, done: Done
) -> None:
    nodes = [node for node in nemesis.stand.servers.rabbitmq.nodes if node.running]
    done.what = f"{len(nodes)} nodes"
    await asyncio.gather(*(node.ctl(*raised) for node in nodes))
    try:
        await asyncio.sleep(fault.hold_s)
    finally:
        await asyncio.gather(*(node.ctl(*cleared) for node in nodes))


async def queue_full(nemesis: Nemesis, fault: Fault, done: Done, dice: Random) -> None:
    """The queues of a group take one message, and no more."""
    group = dice.choice(["carts", "orders", "payments"])
    done.what = group
    policy = {"pattern": f"^{group}(\\.\\d)?$", "definition": {"max-length": 1}, "apply-to": "queues"}
    await nemesis.stand.node.management("PUT", POLICY.format(nemesis.stand.name), policy)
    try:
        await asyncio.sleep(fault.hold_s)
    finally:
        await nemesis.stand.node.management("DELETE", POLICY.format(nemesis.stand.name))


async def gateway(mode: str, nemesis: Nemesis, fault: Fault, done: Done, _dice: Random) -> None:
    """It does what it was asked, and then answers 30 s late, with an error, or not at all."""
    done.what = mode
    nemesis.stand.gateway.write_text(mode)
    try:
        await asyncio.sleep(fault.hold_s)
    finally:
        nemesis.stand.gateway.unlink()


KINDS = (
    kind("memory-alarm", memory_alarm, "broker"),
    kind("disk-alarm", disk_alarm, "broker"),
    kind("queue-full", queue_full, "broker"),
    kind("gateway-late", partial(gateway, "late"), "gateway"),
    kind("gateway-error", partial(gateway, "error"), "gateway"),
    kind("gateway-silent", partial(gateway, "silent"), "gateway"),
)

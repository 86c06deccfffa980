"""Named points in edge and worker at which the process dies, and a gateway that misbehaves: for test processes only.

Nothing in the product knows of these points: the product's own functions are wrapped, inside a process that
`tests.faults.part` started. A point is armed by a file of its name in the process's folder; whoever passes it first
removes the file and is killed, as by SIGKILL.
"""

import asyncio
import functools
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from broker.acks import AckBook, Acks
from broker.actors.loop import CommitLoop
from broker.actors.store import Store
from broker.groups import Effects
from broker.messages import AddItem
from broker.publish import Publisher
from broker.units import GroupCommit
from broker.work import Work
from handlers.carts import CARTS
from handlers.payments import GatewayUnreachable, SimulatedGateway

WORKER_POINTS = (
    "before-commit",
    "after-commit",
    "before-ack",
    "after-ack",
    "before-publish",
    "after-confirm",
    "after-intent",
    "before-unordered-commit",
    "after-unordered-commit",
    "before-gateway",
    "after-gateway",
)
EDGE_POINTS = ("before-publish", "after-confirm")
GATEWAY_MODES = ("late", "error", "silent")

LATE_S = 30.0
SILENT_S = 3600.0
RAISES, EXITS = "poison:raises", "poison:exits"  # correlation ids of messages that break their handler

Wrapped = Callable[..., Awaitable[Any]]


class Points:
    """The points of one process."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def passed(self, point: str) -> None:
        """Dies here if the point is armed."""
        try:
            os.unlink(f"{self._folder}/{point}")  # noqa: PTH108 - on the hot path of what is under test
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def round(self, owner: type, name: str, *, before: str | None = None, after: str | None = None) -> None:
        """Puts points before and after a method."""
        original: Wrapped = getattr(owner, name)

        @functools.wraps(original)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            if before is not None:
                self.passed(before)
            result = await original(*args, **kwargs)
            if after is not None:
                self.passed(after)
            return result

        setattr(owner, name, wrapped)


def install_in_worker(folder: Path, gateway_mode: Path) -> None:
    """Puts every point of a worker in, the gateway's moods, and the handler that poison breaks."""
    points = Points(folder)
    points.round(Store, "write", after="before-commit")
    points.round(CommitLoop, "_commit", after="after-commit")
    points.round(
        GroupCommit, "_transaction", before="before-unordered-commit", after="after-unordered-commit"
    )
    points.round(AckBook, "done", before="before-ack")
    points.round(Acks, "send", after="after-ack")
    points.round(Publisher, "publish_body", before="before-publish", after="after-confirm")
    points.round(Work, "save", after="after-intent")
    for call in ("authorise", "capture", "void", "refund"):
        _misbehave(call, gateway_mode)
        points.round(SimulatedGateway, call, before="before-gateway", after="after-gateway")
    _break_on_poison()


def install_in_edge(folder: Path) -> None:
    """Puts the points of an edge in."""
    Points(folder).round(Publisher, "publish_body", before="before-publish", after="after-confirm")


def _misbehave(call: str, mode: Path) -> None:
    """The gateway does what it was asked and then answers late, with an error, or not at all, as `mode` says."""
    original: Wrapped = getattr(SimulatedGateway, call)

    @functools.wraps(original)
    async def wrapped(self: SimulatedGateway, key: str, *args: Any) -> Any:
        charge = await original(self, key, *args)
        try:
            said = mode.read_text()
        except FileNotFoundError:
            return charge
        if said == "error":
            raise GatewayUnreachable(f"{call} {key}: 500, after it was done")
        await asyncio.sleep(LATE_S if said == "late" else SILENT_S)
        return charge

    setattr(SimulatedGateway, call, wrapped)


def _break_on_poison() -> None:
    add_item = CARTS.handlers[AddItem]

    def handler(cart: Any, command: Any, desk: Any) -> Effects:
        match desk.envelope.correlation_id:
            case correlation if correlation == RAISES:
                raise RuntimeError("a bug in a handler")
            case correlation if correlation == EXITS:
                os._exit(3)
        return add_item(cart, command, desk)

    assert isinstance(CARTS.handlers, dict)
    CARTS.handlers[AddItem] = handler

"""What goes wrong, and when: a schedule of faults drawn from one integer, and the one who carries it out.

The same seed, length and shape give the same schedule. Each kind of fault is one function in `tests.faults.kinds`: it
does its harm, holds it for as long as the schedule says, and heals it.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp
import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractRobustChannel

from broker.connection import connect
from broker.topology import BY_NAME
from tests.faults.kinds import KINDS
from tests.faults.stand import Shape, Stand

log = structlog.get_logger(__name__)

HOLD_S = (0.5, 5.0)
GAP_S = (0.5, 3.0)
TOGETHER = 0.25  # of faults, how many begin while the one before still holds
BROKER_WITHIN_S = 60


class Fault(NamedTuple):
    """One entry of the schedule. `dice` decides its details; `freeze_s` is for kinds that freeze something."""

    number: int
    kind: str
    hold_s: float
    freeze_s: float
    gap_s: float
    together: bool
    dice: int


def schedule(seed: int, many: int, shape: Shape, freeze_max_s: float) -> list[Fault]:
    """Every kind once before any comes again, in an order of the seed's own."""
    rng = random.Random(seed)
    patient = many > len(KINDS) // 2
    names = [name for name, kind in KINDS.items() if patient or not kind.long]
    deck: list[str] = []
    faults: list[Fault] = []
    for number in range(many):
        if not deck:
            deck = rng.sample(names, len(names))
        name = deck.pop()
        before = KINDS[faults[-1].kind] if faults else None
        together = (
            before is not None
            and not faults[-1].together
            and not before.touches & KINDS[name].touches
            and not (before.alone_s or KINDS[name].alone_s)
            and rng.random() < TOGETHER
        )
        freeze_s = min(freeze_max_s, rng.choice([rng.uniform(1, 6), rng.uniform(6, 15), rng.uniform(1, 60)]))
        faults.append(
            Fault(
                number,
                name,
                round(rng.uniform(*HOLD_S), 2),
                round(freeze_s, 2),
                round(rng.uniform(*GAP_S) + KINDS[name].alone_s, 2),
                together,
                rng.getrandbits(32),
            )
        )
    return faults


@dataclass(slots=True)
class Done:
    """A fault that was carried out: when it began and was healed, what it hit, and what was measured meanwhile."""

    fault: Fault
    began: float
    healed: float = 0.0
    what: str = ""
    figures: dict[str, float] = field(default_factory=dict)


@dataclass
class Nemesis:
    """Carries a schedule out. `poison` holds group and message id of every dead letter that it has earned."""

    stand: Stand
    http: aiohttp.ClientSession
    done: list[Done] = field(default_factory=list)
    poison: set[tuple[str, str]] = field(default_factory=set)
    kept: list[Any] = field(default_factory=list)  # messages that were seen, to be sent again later
    on_fault: Callable[[Done], None] = lambda _: None

    async def run(self, faults: list[Fault]) -> None:
        """All of them; healed when it returns."""
        place = 0
        while place < len(faults):
            pair = [faults[place]]
            if place + 1 < len(faults) and faults[place + 1].together:
                pair.append(faults[place + 1])
            place += len(pair)
            async with asyncio.TaskGroup() as group:
                for lag, fault in enumerate(pair):
                    group.create_task(self._one(fault, lag * 0.5))
            await asyncio.sleep(pair[-1].gap_s)

    async def _one(self, fault: Fault, lag_s: float) -> None:
        await asyncio.sleep(lag_s)
        done = Done(fault, time.time())
        self.done.append(done)
        self.on_fault(done)
        try:
            await KINDS[fault.kind].harm(self, fault, done, random.Random(fault.dice))
        finally:
            done.healed = time.time()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractRobustChannel]:
        """A confirming channel to the broker, past the proxies; waits for a broker that changes its leaders."""
        async with asyncio.timeout(BROKER_WITHIN_S):
            connection = await connect(self.stand.amqp_url, name="nemesis")
        try:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            assert isinstance(channel, AbstractRobustChannel)
            yield channel
        finally:
            await connection.close()

    async def put(self, group: str, body: bytes, message_id: str) -> None:
        """Poison, straight into a queue of a group."""
        self.poison.add((group, message_id))
        message = Message(body, message_id=message_id, type="Poison", delivery_mode=DeliveryMode.PERSISTENT)
        async with self.channel() as channel:
            await channel.default_exchange.publish(message, BY_NAME[group].queues[0])

    async def staff(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A call of staff's, tried until an edge answers."""
        headers = {"Authorization": f"Bearer {self.stand.operator_token}"}
        async with asyncio.timeout(BROKER_WITHIN_S):
            attempt = 0
            while True:
                url = f"{self.stand.urls[attempt % len(self.stand.urls)]}/v1{path}"
                attempt += 1
                try:
                    async with self.http.request(method, url, json=body, headers=headers) as answer:
                        if answer.status < 500:
                            answer.raise_for_status()
                            found: dict[str, Any] = await answer.json()
                            return found
                except (aiohttp.ClientConnectionError, TimeoutError):
                    log.info("staff.again", path=path)
                await asyncio.sleep(0.2)

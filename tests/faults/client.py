"""A shopper's client: sends an operation until it knows what became of it, or gives up and says that it does not."""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp

from tests.faults.history import NEVER, Lines, Op, Outcome, lines_of

Json = dict[str, Any]
ANSWER_WITHIN_S = 25
TRIES_MAX = 400
IMPATIENT_AFTER = 3
PAUSE_S, PAUSE_MAX_S = 0.1, 1.0
REJECTED, FAILED = (409, 410, 422), 500


class Anomaly(AssertionError):
    """An answer that the contract does not know."""


class Refusal(NamedTuple):
    """A 503: when it was asked for and told, by which edge, and the code of its reason."""

    asked: float
    told: float
    edge: str
    code: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.told - self.asked


@dataclass
class Client:
    """Sends to one edge or the other, and notes what it was told."""

    http: aiohttp.ClientSession
    urls: list[str]
    rng: random.Random
    told: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    anomalies: list[str] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Json | None = None
    ) -> tuple[int, Json]:
        """One request; status and decoded answer. Status 0 where no answer came, so that nobody knows."""
        edge = self.rng.choice(self.urls)
        url = f"{edge}/v1{path}"
        begun = time.time()
        try:
            async with self.http.request(method, url, json=body, headers=headers) as answer:
                status, text = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            self.told[f"no answer: {type(error).__name__}"] += 1
            return 0, {}
        self.told[str(status)] += 1
        try:
            found: Json = json.loads(text) if text else {}
        except ValueError:
            found = {}
        if status == 503:
            self.refusals.append(Refusal(begun, time.time(), edge, str(found.get("code"))))
        return status, found

    async def read(self, path: str, headers: dict[str, str]) -> tuple[int, Json]:
        """Reads until an edge answers with anything but an outage."""
        for attempt in range(TRIES_MAX):
            status, found = await self.ask("GET", path, headers)
            if status and status < 500:
                return status, found
            await asyncio.sleep(pause_s(attempt))
        raise Anomaly(f"GET {path} was not answered in {TRIES_MAX} tries")

    async def send(self, op: Op, *, wait_s: int, patient: bool) -> None:
        """Sends an operation and notes what became of it.

        A refusal (503) is tried again, as its Retry-After asks; an unknown outcome only by the patient. The key stays
        the same.
        """
        method, path, body = op.request
        headers = {**op.headers, "Prefer": f"wait={wait_s}"} if wait_s else op.headers
        op.invoked = op.invoked or time.time()
        for attempt in range(TRIES_MAX):
            op.sent += 1
            status, found = await self.ask(method, path, headers, body)
            if self._answered(op, status, found, time.time()):
                return
            op.doubtful = op.doubtful or status != 503
            op.outcome = Outcome.UNKNOWN if op.doubtful else Outcome.REFUSED
            if not patient and (status != 503 or op.sent >= IMPATIENT_AFTER):
                return
            await asyncio.sleep(self.rng.uniform(0.3, 1.0) * pause_s(attempt))
        raise Anomaly(f"{method} {path} was not answered in {TRIES_MAX} tries")

    def _answered(self, op: Op, status: int, found: Json, now: float) -> bool:
        """Whether the sender may stop; an answer that nobody should ever get is noted."""
        if status in (200, 202):
            op.operation, op.acked = found["id"], min(op.acked, now)
            op.outcome = Outcome.UNKNOWN  # whatever an earlier try was answered
            if status == 200:
                op.outcome, op.completed, op.result = Outcome.OK, now, found
            return True
        failed = status == FAILED and found.get("code") == "operation_failed"
        if status in REJECTED or failed:
            op.outcome, op.code = Outcome.FAILED if failed else Outcome.REJECTED, str(found.get("code"))
            op.acked, op.completed = min(op.acked, now), now
            return True
        if status not in (0, 503, 504):
            self.anomalies.append(f"{op.kind}: {status} {found}")
        return False

    async def settle(self, op: Op) -> None:
        """Finds out what became of an operation: by its id where it was accepted, else by sending it again."""
        while not settled(op):
            if op.operation is not None:
                await self._look(op)
            else:
                await self.send(op, wait_s=8, patient=True)

    async def _look(self, op: Op) -> None:
        attempt = 0
        while True:
            status, found = await self.read(f"/operations/{op.operation}", op.headers)
            if status != 200:
                raise Anomaly(f"the operation of an accepted {op.kind} is answered {status} {found}")
            if found["status"] != "pending":
                break
            await asyncio.sleep(pause_s(attempt))
            attempt += 1
        op.completed, op.result = time.time(), found
        op.outcome = {"succeeded": Outcome.OK, "rejected": Outcome.REJECTED}.get(
            found["status"], Outcome.FAILED
        )
        if op.outcome is not Outcome.OK:
            op.code = str((found.get("problem") or {}).get("code"))


def shown(op: Op) -> Lines | None:
    """The lines of a cart or an order as the answer to an operation shows them; None where it shows none."""
    result = op.result.get("result")
    return lines_of(result["lines"]) if result and "lines" in result else None


def settled(op: Op) -> bool:
    """Whether its sender knows what became of it."""
    return op.completed != NEVER or op.outcome is Outcome.REFUSED


def pause_s(attempt: int) -> float:
    """Seconds before the next try."""
    return min(PAUSE_MAX_S, PAUSE_S * 2.0 ** min(attempt, 10))

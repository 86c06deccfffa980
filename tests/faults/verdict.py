"""What must hold once everything has healed, and what was measured on the way."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp
import structlog
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from broker.topology import BY_NAME, GROUPS, RETRY_TIERS, slot_of
from ops.check import Report, check
from tests.faults.client import Client, Refusal
from tests.faults.history import Lines, lines_of
from tests.faults.kinds import KINDS
from tests.faults.load import Left, Load
from tests.faults.model import State
from tests.faults.nemesis import Done, Nemesis
from tests.faults.stand import Stand

log = structlog.get_logger(__name__)

QUIET_WITHIN_S = 300
STUCK_AFTER_S = 15.0  # nothing has moved for that long; the management API lags by a second or two
LOOK_EVERY_S = 0.5
SETTLE_S = 5.0
READERS = 16
NEVER_END = "operations that never end"
NAMED_MAX = 5
CANCELLED = "cancelled"

Database = AsyncDatabase[dict[str, Any]]


class Refused(NamedTuple):
    """A 503: its seconds and code, whether it was the broker that was away, and the faults that held meanwhile."""

    seconds: float
    code: str
    away: bool
    during: tuple[str, ...]


@dataclass
class Verdict:
    """Every promise that was found broken, in words, and figures."""

    violations: list[str] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    refusals: list[Refused] = field(default_factory=list)

    def blame(self, what: str, found: list[str]) -> None:
        """Notes findings of one sort: a few by name, and how many there are."""
        if found:
            more = f" and {len(found) - NAMED_MAX} more" if len(found) > NAMED_MAX else ""
            self.violations.append(f"{what}: {'; '.join(found[:NAMED_MAX])}{more}")


async def judge(
    stand: Stand, load: Load, nemesis: Nemesis, *, quiet_within_s: float = QUIET_WITHIN_S
) -> Verdict:
    """Waits until nothing is under way, and then holds everything against what shoppers were told."""
    verdict = Verdict()
    verdict.blame("what shoppers were told cannot be", load.wrong)
    verdict.blame("an answer that the contract does not know", load.client.anomalies)
    async with database_of(stand) as database:
        verdict.figures["quiet_s"] = await until_quiet(stand, database, verdict, quiet_within_s)
        await _check(stand, database, verdict)
        await _orders(database, load, verdict)
        await _letters(nemesis, verdict)
        await _carts(stand, load, verdict)
        await _measure(database, load, nemesis, verdict)
    verdict.counted["orders"] = len(load.bought)
    verdict.counted["carts"] = len(load.left)
    verdict.counted["operations"] = len(load.ops)
    verdict.counted["dead letters"] = len(nemesis.poison)
    verdict.counted["faults"] = len(nemesis.done)
    return verdict


@asynccontextmanager
async def database_of(stand: Stand) -> AsyncIterator[Database]:
    """The stand's database, by a client of its own."""
    async with AsyncMongoClient[dict[str, Any]](stand.servers.mongo.url, tz_aware=True) as client:
        yield client[stand.name]


async def until_quiet(
    stand: Stand, database: Database, verdict: Verdict, within_s: float = QUIET_WITHIN_S
) -> float:
    """Returns once nothing is under way; seconds that it took.

    A violation where messages go round for ever, or where nothing moves any more and something is unfinished.
    """
    begun = time.monotonic()
    moved = begun
    while True:
        moving, unfinished = await under_way(stand, database)
        now = time.monotonic()
        if moving:
            moved = now
        if not moving and not unfinished:
            return now - begun
        log.info("busy", seconds=round(now - begun), what=moving + unfinished)
        if now - begun > within_s or now - moved > STUCK_AFTER_S:
            verdict.blame("still under way, or never again", moving + unfinished)
            return now - begun
        await asyncio.sleep(LOOK_EVERY_S)


async def ended(shopping: asyncio.Task[None], stand: Stand, within_s: float = float("inf")) -> bool:
    """Waits for shoppers; False where the system has long come to rest and they still wait for an outcome.

    Nor later than `within_s`, where so few shop that only what goes round for ever can take as long.
    """
    async with database_of(stand) as database:
        moved = begun = time.monotonic()
        while (
            not shopping.done()
            and time.monotonic() - moved < STUCK_AFTER_S
            and time.monotonic() - begun < within_s
        ):
            moving, _ = await under_way(stand, database)
            if moving:
                moved = time.monotonic()
            await asyncio.wait({shopping}, timeout=LOOK_EVERY_S)
    if shopping.done():
        shopping.result()
    return shopping.done()


async def under_way(stand: Stand, database: Database) -> tuple[list[str], list[str]]:
    """What moves by itself (messages, rows to be sent), and what waits for something to move it."""
    known = {name for group in GROUPS for name in (*group.queues, group.undertaker)}
    known |= {group.retry(tier) for group in GROUPS for tier in RETRY_TIERS}
    queues = await stand.node.management("GET", f"queues/{stand.name}")
    moving = [
        f"{row.get('messages', 'some')} messages in {row['name']}"
        for row in queues
        if row["name"] in known and row.get("messages", 1)
    ]
    if rows := await database.outbox.count_documents({}):
        moving.append(f"{rows} rows in the outbox")
    unfinished = []
    if pending := await database.receipts.count_documents({"status": "pending"}):
        unfinished.append(f"{pending} pending receipts")
    if unpaid := await database.orders.count_documents({"status": "placed"}):
        unfinished.append(f"{unpaid} unpaid orders")
    return moving, unfinished


async def _check(stand: Stand, database: Database, verdict: Verdict) -> None:
    """`quire check`, on the database and the broker."""
    report: Report = await check(database, stand.broker, settle_s=SETTLE_S)
    for result in report.results:
        verdict.blame(f"check {result.name}", [f"{each.id} ({each.detail})" for each in result.listed])
        if result.skipped:
            verdict.violations.append(f"check {result.name} was skipped: {result.skipped}")
    verdict.figures["check_s"] = report.seconds


async def _orders(database: Database, load: Load, verdict: Verdict) -> None:
    """Exactly the orders that shoppers were told of, each as its payment and its shopper wanted it."""
    found = {row["_id"]: row["status"] async for row in database.orders.find({}, {"status": 1})}
    verdict.blame(
        "orders that shoppers were told of and that do not exist", sorted(load.bought.keys() - found.keys())
    )
    verdict.blame("orders that nobody knows of", sorted(found.keys() - load.bought.keys()))
    for order_id, status in found.items():
        bought = load.bought.get(order_id)
        if bought is None:
            continue
        declined = bought.payment == "tok_declined"
        if declined and status != CANCELLED:
            verdict.violations.append(f"order {order_id} was declined and is {status}")
        if status == CANCELLED and not (declined or bought.cancelled):
            verdict.violations.append(f"order {order_id} was paid with {bought.payment} and is cancelled")


async def _letters(nemesis: Nemesis, verdict: Verdict) -> None:
    """Dead letters are exactly the poison that was put in."""
    found = await nemesis.staff("GET", "/admin/dead?limit=1000")
    standing = {
        (
            each["group"],
            each["message_id"],
        ): f"{each['type']} {each['message_id']} in {each['group']}: {each['error']}"
        for each in found["letters"]
    }
    verdict.blame(
        "dead letters of what was no poison", [standing[key] for key in standing.keys() - nemesis.poison]
    )
    verdict.blame("poison without a dead letter", [f"{key}" for key in nemesis.poison - standing.keys()])


async def _carts(stand: Stand, load: Load, verdict: Verdict) -> None:
    """Each cart is as one of the orders of its commands leaves it."""
    wrong: list[str] = []
    waiting = list(load.left)
    async with aiohttp.ClientSession() as http:
        client = Client(http, stand.urls, load.rng)

        async def reader() -> None:
            while waiting:
                left = waiting.pop()
                state = await _state(client, left)
                if state not in left.states:
                    wrong.append(f"cart {left.id} holds {state}, not {' or '.join(map(str, left.states))}")

        await asyncio.gather(*(reader() for _ in range(READERS)))
    verdict.blame("carts that are not as their commands left them", wrong)


async def _state(client: Client, left: Left) -> State:
    status, found = await client.read(f"/carts/{left.id}", {"Cart-Token": left.token})
    if status == 410:
        handed: set[Lines] = {state.lines for state in left.states if state.closed}
        return State(min(handed, default=()), closed=True)
    return State(lines_of(found["lines"]))


async def _measure(database: Database, load: Load, nemesis: Nemesis, verdict: Verdict) -> None:
    verdict.refusals = [_refused(refusal, nemesis.done) for refusal in load.client.refusals]
    _quantile(verdict, "refusals", [each.seconds for each in verdict.refusals])
    _quantile(
        verdict, "refusals_while_the_broker_is_away", [each.seconds for each in verdict.refusals if each.away]
    )
    confirmed = await _confirmations(database)
    for done in nemesis.done:
        if done.fault.kind in ("kill-rabbitmq", "kill-mongod", "kill-worker"):
            after = [at - done.healed for placed, at in confirmed if placed >= done.healed]
            if after:
                done.figures["first_order_confirmed_s"] = min(after)
        elif done.fault.kind == "freeze-worker":
            done.figures["partitions_served_s"] = _served_again(load, done)


def _refused(refusal: Refusal, faults: list[Done]) -> Refused:
    during = [done for done in faults if refusal.asked < done.healed and refusal.told > done.began]
    touched = [KINDS[done.fault.kind].touches for done in during]
    # A frozen edge tells nobody anything, and a database that is away is no matter of the broker's.
    away = any("broker" in each for each in touched) and not any(
        {"edge", "database"} & each for each in touched
    )
    return Refused(round(refusal.seconds, 3), refusal.code, away, tuple(done.fault.kind for done in during))


def _quantile(verdict: Verdict, name: str, seconds: list[float]) -> None:
    if seconds:
        verdict.figures[name] = len(seconds)
        verdict.figures[f"{name}_p99_s"] = sorted(seconds)[int(0.99 * (len(seconds) - 1))]


async def _confirmations(database: Database) -> list[tuple[float, float]]:
    """When each order was placed, and when confirmed."""
    times = []
    async for row in database.orders.find({}, {"history": 1}):
        at = {change["status"]: change["at"].timestamp() for change in row["history"]}
        if "confirmed" in at:
            times.append((at["placed"], at["confirmed"]))
    return times


def _served_again(load: Load, done: Done) -> float:
    """Seconds until every partition of the carts had completed a command that was sent after the freeze began."""
    served: dict[str, float] = defaultdict(lambda: float("inf"))
    group = BY_NAME["carts"]
    for cart, invoked, completed, _ in load.ops:
        if done.began <= invoked < done.healed:
            queue = group.queue_of(slot_of(cart))
            served[queue] = min(served[queue], completed)
    return max((at - done.began for at in served.values()), default=0.0)

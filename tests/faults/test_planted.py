"""The suite catches the mistakes that it is there for: each bug is planted, provoked, and found.

What provokes a bug is a fault that a correct system survives; one run without a bug suffers all of them, and holds.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, NamedTuple

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from broker.messages import OrderShipped
from documents.actors import utc_now
from tests.broker.house import envelope_of
from tests.faults.bugs import IN_EDGES, IN_WORKERS, plant
from tests.faults.history import Outcome
from tests.faults.kinds.poison import no_json
from tests.faults.load import Load
from tests.faults.nemesis import Nemesis
from tests.faults.servers import MongoMember
from tests.faults.stand import Servers, Stand, standing
from tests.faults.verdict import NEVER_END, Verdict, ended, judge

ORDERS = 24
SHOPPERS = 24
TITLES = 8
ANYHOW = ""  # what is lost, and so where it is missed, depends on what died with the process
DIES_WITHIN_S = 15
GOES_ROUND_S = 40.0  # a message that is still tried after that is tried for ever


@dataclass
class Scene:
    """A small load on a stand with a bug, and somebody who provokes it."""

    stand: Stand
    load: Load
    nemesis: Nemesis

    async def died_at(self, point: str, kind: str = "worker") -> None:
        """Has a process die at a point, as soon as one passes it."""
        parts = self.stand.edges if kind == "edge" else self.stand.workers
        armed = [part.arm(point) for part in parts]
        async with asyncio.timeout(DIES_WITHIN_S):
            while all(file.exists() for file in armed):  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.02)
        for part in parts:
            part.disarm()


Provoke = Callable[[Scene], Awaitable[None]]


async def nothing(_scene: Scene) -> None:
    """The bug needs no help."""


async def dies_before_the_commit(scene: Scene) -> None:
    """A worker dies with everything written and nothing committed."""
    await scene.died_at("before-commit")


async def dies_before_the_rows(scene: Scene) -> None:
    """A worker dies right after a commit, before it does anything else."""
    # Only with the bug is there something between the commit and the rows.
    planted = scene.stand.bug.endswith("outside_the_transaction")
    await scene.died_at("after-commit-before-rows" if planted else "after-commit")


async def dies_with_a_letter(scene: Scene) -> None:
    """As above, when the batch has a message in it that nobody can read."""
    for part in scene.stand.workers:
        part.signal(signal.SIGSTOP)
    await scene.nemesis.put("carts", no_json("", ""), "poison-letter")
    for part in scene.stand.workers:
        part.arm("letter-before-rows")
        part.signal(signal.SIGCONT)
    await scene.nemesis.put("carts", no_json("", ""), "poison-letter-2")


async def frozen_for_a_moment(scene: Scene) -> None:
    """Commands pile up while the workers are frozen."""
    for part in scene.stand.workers:
        part.signal(signal.SIGSTOP)
    await asyncio.sleep(1.5)  # not waited for: it is what is done to them
    for part in scene.stand.workers:
        part.signal(signal.SIGCONT)


async def a_message_that_never_works(scene: Scene) -> None:
    """A parcel left for an order that nobody ever placed: tried again and again, and then given up."""
    event = OrderShipped(
        order_id="nobody",
        status="shipped",
        at=utc_now(),
        email="a@b.example",
        owner=None,
        total=1,
        currency="EUR",
        carrier="Post",
        tracking_number="1",
    )
    await scene.nemesis.put("payments", envelope_of(event, message_id="hopeless").to_bytes(), "hopeless")


async def sent_into_nothing(scene: Scene) -> None:
    """What the edge sends gets stuck on its way, and then the connection is gone."""
    links = scene.stand.links["edge-1"]
    for link in links:
        link.silence("up")
    await asyncio.sleep(1.0)  # not waited for: it is what is done to it
    for link in links:
        link.reset()
        link.heal()


async def without_a_broker(scene: Scene) -> None:
    """The edge has no connection."""
    links = scene.stand.links["edge-1"]
    for link in links:
        link.refuse()
    await asyncio.sleep(1.5)  # not waited for: it is what is done to it
    for link in links:
        link.heal()


async def edge_dies_after_the_confirm(scene: Scene) -> None:
    """The broker has it, its sender does not know."""
    await scene.died_at("after-confirm", "edge")


async def the_primary_dies_alone(scene: Scene) -> None:
    """The other members are dead, and have nothing of what the primary took last when it dies too.

    Frozen ones would have it: it waits in their sockets.
    """
    mongo = scene.stand.servers.mongo
    primary = await mongo.primary()
    others = [member for member in mongo.members if member is not primary]
    while not scene.load.bought:  # noqa: ASYNC110 - everybody is at it by then
        await asyncio.sleep(0.02)
    await asyncio.gather(*(member.kill() for member in others))
    await _told_alone(primary, scene.load)
    await primary.kill()
    await asyncio.gather(*(member.start() for member in others))
    await mongo.primary()  # another one: with what it has, the old one would be chosen again
    await primary.start()


async def _told_alone(primary: MongoMember, load: Load) -> None:
    """Returns once a shopper was told of something that no other member has, or it is no primary any more."""
    since = time.time()
    direct = f"mongodb://127.0.0.1:{primary.port}/?directConnection=true"
    async with AsyncMongoClient[dict[str, Any]](direct) as client:
        while not any(invoked > since and outcome == Outcome.OK for _, invoked, _, outcome in load.ops):
            if not (await client.admin.command("hello"))["isWritablePrimary"]:
                return
            await asyncio.sleep(0.02)


class Case(NamedTuple):
    """A bug, what provokes it, words of the violation that it must be found by, and what the shoppers are to do."""

    bug: str
    provoke: Provoke
    found: str
    load: dict[str, Any] = {}


CASES = (
    Case("no_receipt", nothing, NEVER_END),
    Case("no_ordered_receipt", nothing, NEVER_END),
    Case("no_unordered_receipt", nothing, "check payment-receipt"),
    Case("receipt_outside_the_transaction", dies_before_the_commit, ANYHOW),
    Case("ack_before_commit", dies_before_the_commit, NEVER_END),
    Case("one_copy_is_enough", the_primary_dies_alone, ANYHOW),
    Case("unguarded_stock", nothing, "check stock-available", {"copies": 2}),
    Case("stock_released_twice", nothing, "check order-stock", {"tokens": {"tok_declined": 1}}),
    Case("no_gateway_key", nothing, "check charge-order"),
    Case("outbox_outside_the_transaction", dies_before_the_rows, "under way"),
    Case("letter_outside_the_transaction", dies_with_a_letter, "check letter-receipt"),
    Case("reordered_mailbox", frozen_for_a_moment, "what shoppers were told cannot be"),
    Case("merge_loses_lines", nothing, "what shoppers were told cannot be", {"merges": 1.0}),
    Case("attempts_forgotten", a_message_that_never_works, "poison without a dead letter"),
    Case("no_confirm", sent_into_nothing, NEVER_END),
    Case("refusal_swallowed", without_a_broker, NEVER_END),
    Case("key_ignored", edge_dies_after_the_confirm, "what shoppers were told cannot be"),
)


async def played(servers: Servers, bug: str, provoke: Provoke, **wishes: Any) -> Verdict:
    """What the suite says of a stand with that bug."""
    async with (
        standing(servers, bug=bug, tiers_s=(0.1, 0.1, 0.2, 0.2)) as stand,
        aiohttp.ClientSession() as http,
    ):
        load = Load(stand, seed=1, orders_wanted=ORDERS, titles=TITLES, shoppers=SHOPPERS, **wishes)
        nemesis = Nemesis(stand, http)
        await load.stock_up()
        shopping = asyncio.create_task(load.run())
        await load.opened.wait()
        await provoke(Scene(stand, load, nemesis))
        load.finish.set()
        await stand.ready()
        finished = await ended(shopping, stand, GOES_ROUND_S)
        if not finished:
            shopping.cancel()
            await asyncio.gather(shopping, return_exceptions=True)
        verdict = await judge(stand, load, nemesis, quiet_within_s=GOES_ROUND_S)
        if not finished:
            verdict.blame(NEVER_END, ["shoppers still wait"])
        return verdict


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Servers:
    """The servers that a case needs."""
    case: Case = request.node.callspec.params["case"]
    wanted = "three_members" if case.provoke is the_primary_dies_alone else "servers"
    found: Servers = request.getfixturevalue(wanted)
    return found


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=[case.bug for case in CASES])
async def test_a_planted_bug_is_caught(case: Case, place: Servers) -> None:
    """By the invariant, the model or the comparison that is there for it."""
    verdict = await played(place, case.bug, case.provoke, **case.load)
    assert any(case.found in violation for violation in verdict.violations), verdict.violations


async def all_of_them(scene: Scene) -> None:
    """What provokes the bugs, one after the other."""
    for provoke in dict.fromkeys(case.provoke for case in CASES):
        if provoke is not the_primary_dies_alone:
            await provoke(scene)


@pytest.mark.long
async def test_what_provokes_the_bugs_is_survived_without_them(servers: Servers) -> None:
    """It is the bug that is found, not the fault."""
    verdict = await played(servers, "", all_of_them)
    assert verdict.violations == []


@pytest.mark.long
async def test_a_primary_that_dies_alone_is_survived(three_members: Servers) -> None:
    """With a majority's word for each commit, nothing is lost with it."""
    verdict = await played(three_members, "", the_primary_dies_alone)
    assert verdict.violations == []


@pytest.mark.parametrize("kind", ["worker", "edge"])
def test_every_bug_can_still_be_planted(kind: str) -> None:
    """What it puts its mistake in the place of is there, and is called as the mistake can be."""
    processes = get_context("fork")
    for bug in IN_WORKERS if kind == "worker" else IN_EDGES:
        process = processes.Process(target=plant, args=(bug, kind))
        process.start()
        process.join()
        assert process.exitcode == 0, f"{bug} cannot be planted in a part that is a {kind}"


def test_every_bug_has_a_case() -> None:
    """What can be planted is planted."""
    assert {case.bug for case in CASES} == IN_WORKERS.keys() | IN_EDGES.keys()

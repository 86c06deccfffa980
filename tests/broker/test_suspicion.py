"""A message that kills whoever takes it: it takes no neighbours along, and ends with a receipt like any other."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from broker.actors.mailboxes import Mailboxes
from broker.groups import Effects, OrderedGroup, UnorderedGroup
from broker.letters import Selection, replay
from broker.messages import AddItem, ExpireOrder, OrderCancelled
from broker.runtime import Died, Runtime
from broker.suspicion import KILLED, SUSPECT_AFTER, TRIES_ALONE_MAX, TRIES_REPLAYED_MAX, is_suspect, pause_s
from broker.telemetry import Round, Telemetry, Traced
from broker.topology import BY_NAME, DELIVERY_LIMIT, slot_of
from handlers.carts import CARTS
from tests.broker.house import Group, House, add, shopper, unordered, until

ALL_BROKERS = pytest.mark.parametrize("shop_url", ["embedded", "rabbitmq", "rabbitmq-4"], indirect=True)
DEADLY = 666
LIVES_MAX = DELIVERY_LIMIT + 1


class Struck(BaseException):
    """The end of a worker: nothing in it catches this."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suspects wait a tenth of their time."""
    monkeypatch.setattr("broker.suspicion.PAUSE_STEP_S", 0.01)
    monkeypatch.setattr("broker.suspicion.PAUSE_MAX_S", 0.1)


def sizes_into(sizes: list[int]) -> Telemetry:
    """Notes how many messages each round of the ordered groups takes."""

    class Sizes(Telemetry):
        def round(self, name: str, members: Sequence[Traced]) -> Round:
            if name == "ordered":
                sizes.append(len(members))
            return super().round(name, members)

    return Sizes()


def deadly_carts() -> OrderedGroup:
    """Carts in which one quantity ends the process."""
    original = CARTS.handlers[AddItem]

    def handler(cart: Any, command: AddItem, desk: Any) -> Effects:
        if command.quantity == DEADLY:
            raise Struck
        return original(cart, command, desk)

    return replace(CARTS, handlers={**CARTS.handlers, AddItem: handler})


async def deadly(message: Any, _desk: Any) -> Effects:
    """Payments in which one order ends the process."""
    if message.order_id == "deadly":
        raise Struck
    return Effects(resource="paid")


async def one_life(house: House, group: Group, worker: Runtime | None = None) -> Runtime:
    """A worker until it was struck; it dies without an ack, and the broker takes back what it held."""
    worker = worker or await house.worker(group)
    with pytest.raises(Died):
        await worker.died()
    house.runtimes.remove(worker)
    await worker._close()
    return worker


async def lives_until_dead(house: House, group: Group, queue: str, letters: int = 1) -> int:
    """How many workers deadly messages need until they are dead letters."""
    for life in range(LIVES_MAX):
        worker = await house.worker(group)
        struck = asyncio.create_task(one_life(house, group, worker))

        async def over(struck: asyncio.Task[Runtime] = struck) -> bool:
            return struck.done() or await house.waiting(f"{queue}.dead") >= letters

        await until(over, "the worker to be struck, or the message to be dead", 30)
        if not struck.done():
            struck.cancel()
            await asyncio.gather(struck, return_exceptions=True)
            return life
        await struck
    raise AssertionError(f"{LIVES_MAX} workers died of it")


@ALL_BROKERS
async def test_in_an_ordered_group(house: House) -> None:
    """Neighbours before and behind it, in its partition and in others, all take effect once and in order."""
    await house.sell(stock=10_000)
    group = deadly_carts()
    victim, victims_cart = shopper(0)
    partition = BY_NAME["carts"].queue_of(slot_of(victims_cart))
    sent: dict[str, list[str]] = {}
    for number in range(1, 40):
        sender, cart_id = shopper(number)
        sent[cart_id] = [await house.send(add(cart_id), sender)]
    killer = await house.send(add(victims_cart, DEADLY), victim)
    after = await house.send(add(victims_cart), victim)
    for number in range(1, 40):
        sender, cart_id = shopper(number)
        sent[cart_id] += [await house.send(add(cart_id), sender) for _ in range(3)]
    assert any(BY_NAME["carts"].queue_of(slot_of(cart_id)) == partition for cart_id in sent)
    lives = await lives_until_dead(house, group, "carts")
    assert lives == SUSPECT_AFTER + TRIES_ALONE_MAX
    receipt = await house.receipt(killer)
    assert (receipt["status"], receipt["problem"]["reason"]) == ("failed", KILLED)
    assert (await house.receipt(after))["status"] == "succeeded"
    for ids in sent.values():
        assert [(each["status"], each["rev"]) for each in await house.receipts(ids)] == [
            ("succeeded", n) for n in range(1, 5)
        ]
    letter = await house.get("carts.dead")
    assert (letter.message_id, letter.headers["x-quire-origin-queue"]) == (killer, partition)
    assert letter.headers["x-quire-reason"] == KILLED
    assert await house.waiting("carts.dead") == 0


@ALL_BROKERS
async def test_in_an_unordered_group(house: House) -> None:
    """Neighbours are worked off, and the message stands alone among the dead letters."""
    group = UnorderedGroup("payments", {ExpireOrder: deadly, OrderCancelled: deadly})
    before = [await house.send(ExpireOrder(order_id=f"before{n}")) for n in range(30)]
    killer = await house.send(ExpireOrder(order_id="deadly"))
    after = [await house.send(ExpireOrder(order_id=f"after{n}")) for n in range(30)]
    await lives_until_dead(house, group, "payments")
    assert (await house.receipt(killer, "payments"))["problem"]["reason"] == KILLED
    receipts = await house.receipts([*before, *after], "payments")
    assert {receipt["status"] for receipt in receipts} == {"succeeded"}
    assert (await house.get("payments.dead")).message_id == killer
    assert await house.waiting("payments.dead") == 0


@ALL_BROKERS
async def test_killers_that_are_replayed_together(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One death each: whoever waits with ten of them comes back ten times, and the broker's limit is twenty."""
    await house.sell(stock=10_000)
    group = deadly_carts()
    carts = [shopper(number) for number in range(20)]
    killers = [await house.send(add(cart_id, DEADLY), sender) for sender, cart_id in carts[:10]]
    with monkeypatch.context() as buried_unread:
        buried_unread.setattr("broker.suspicion.SUSPECT_AFTER", 0)
        buried_unread.setattr("broker.suspicion.TRIES_ALONE_MAX", 0)
        undertaker = await house.worker(group)
        await house.receipts(killers)
        await until(lambda: all_dead(house, 10), "ten letters")
        await house.stop(undertaker)
    result = await replay(house.endpoint, house.publisher, Selection(group="carts"), by="staff")
    assert result.done == 10
    neighbours = [await house.send(add(cart_id), sender) for sender, cart_id in carts]
    assert await lives_until_dead(house, group, "carts", 10) == 10 * TRIES_REPLAYED_MAX
    assert {each["problem"]["reason"] for each in await house.receipts(killers)} == {KILLED}
    assert {each["status"] for each in await house.receipts(neighbours)} == {"succeeded"}
    await house.empty(*BY_NAME["carts"].queues)


async def all_dead(house: House, letters: int) -> bool:
    """Whether so many letters stand."""
    return await house.waiting("carts.dead") == letters


async def test_innocents_that_came_back_often_are_worked_off(house: House) -> None:
    """One by one, in order, and no note is left behind."""
    await house.sell()
    sender, cart_id = shopper(1)
    ids = [await house.send(add(cart_id), sender) for _ in range(5)]
    asked = [await house.send(ExpireOrder(order_id=f"o{n}")) for n in range(5)]
    queue = BY_NAME["carts"].queue_of(slot_of(cart_id))
    for _ in range(SUSPECT_AFTER):
        await hold_and_lose(house, queue, 5)
        await hold_and_lose(house, "payments", 5)
    batches: list[int] = []
    await house.worker(CARTS, unordered("payments"), telemetry=sizes_into(batches))
    assert [each["rev"] for each in await house.receipts(ids)] == [1, 2, 3, 4, 5]
    assert {each["status"] for each in await house.receipts(asked, "payments")} == {"succeeded"}
    assert set(batches) == {1}

    async def forgotten() -> bool:
        return await house.database.suspects.count_documents({}) == 0

    await until(forgotten, "the notes to go")
    await house.empty(queue, "payments")


async def test_one_that_waits_for_the_outside_keeps_no_other_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suspect whose handler is slow is beyond suspicion after a moment: the next has its turn."""
    monkeypatch.setattr("broker.suspicion.CLEARED_AFTER_S", 0.05)
    answered = asyncio.Event()

    async def slow(message: Any, _desk: Any) -> Effects:
        if message.order_id == "slow":
            await answered.wait()
        return Effects()

    held = await house.send(ExpireOrder(order_id="slow"))
    ids = [await house.send(ExpireOrder(order_id=f"o{n}")) for n in range(3)]
    for _ in range(SUSPECT_AFTER):
        await hold_and_lose(house, "payments", 4)
    await house.worker(unordered("payments", slow))
    await house.receipts(ids, "payments")

    async def beyond_suspicion() -> bool:
        return await house.database.suspects.count_documents({}) == 0

    await until(beyond_suspicion, "the notes to go while one still waits")
    answered.set()
    await house.receipt(held, "payments")


async def hold_and_lose(house: House, queue: str, count: int) -> None:
    """Takes messages and goes without an ack, as a worker that dies."""
    channel = await house.channel()
    await channel.set_qos(prefetch_count=count)
    held: list[Any] = []
    all_held = asyncio.Event()

    async def hold(message: Any) -> None:
        held.append(message)
        if len(held) == count:
            all_held.set()

    await (await channel.get_queue(queue, ensure=False)).consume(hold)
    await asyncio.wait_for(all_held.wait(), 10)
    await channel.close()

    async def back() -> bool:
        return await house.waiting(queue) == count

    await until(back, f"{queue} to have its messages back")


def stub(number: int, returns: int) -> Any:
    """A delivery, as far as mailboxes look at it."""

    class Stub:
        actor = ("carts", str(number))
        due = 0.0
        gone = False
        replay = None

    made: Any = Stub()
    made.returns = returns
    return made


def test_who_is_under_suspicion() -> None:
    """From the third return on; who came back less often goes first; the killer is buried long before the limit."""
    assert [is_suspect(stub(1, returns)) for returns in (0, 2, 3, 20)] == [False, False, True, True]
    pauses = [pause_s(stub(1, returns)) for returns in range(SUSPECT_AFTER, DELIVERY_LIMIT + 1)]
    assert pauses == sorted(pauses)
    assert pauses[0] > 0
    assert SUSPECT_AFTER + 4 * TRIES_ALONE_MAX < DELIVERY_LIMIT, (
        "four killers in one prefetch spare their neighbours"
    )


async def test_a_suspect_has_a_batch_of_its_own() -> None:
    """Whatever else is ready goes before or after it, never with it."""
    mailboxes = Mailboxes()
    first, suspect, last = stub(1, 0), stub(2, SUSPECT_AFTER), stub(3, 0)
    for each in (first, suspect, last):
        mailboxes.put(each)
    assert await mailboxes.take(10) == [first]
    assert await mailboxes.take(10) == [suspect]
    assert await mailboxes.take(10) == [last]

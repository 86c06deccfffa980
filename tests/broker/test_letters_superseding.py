"""Which outcome a replay comes to: what it supersedes, what refuses it, what it finds done already."""

from datetime import timedelta
from functools import partial
from typing import Any

from broker.groups import Effects, Transient
from broker.letters import Selection, find, survey
from broker.messages import AbsorbCart, MergeCart, Sender, SetItem
from broker.replays import REPLAY, SUPERSEDES
from broker.topology import BY_NAME, slot_of
from documents.actors import utc_now
from documents.operations import RECEIPT_LIFETIME
from handlers.carts import CARTS
from tests.broker.house import ISBN, House, add, envelope_of, shopper, unordered, until
from tests.broker.mending import CARTS_ONLY, Bug, again, dead, failed_after, outcome, quantity


async def test_a_letter_whose_actor_moved_on_stays_unless_it_is_forced(house: House) -> None:
    """The dry run says so, the replay leaves it where it stands, and by force it takes effect."""
    await house.sell()
    bug = Bug()
    await house.worker(bug.group())
    sender, cart_id = shopper(1)
    await house.send(add(cart_id, 2), sender, "late")
    await outcome(house, "late", "failed")
    await dead(house, 1)
    await house.receipt(await house.send(SetItem(cart_id=cart_id, isbn=ISBN, quantity=5), sender))
    bug.mended = True
    for dry_run in (True, False):
        result = await again(house, dry_run=dry_run)
        assert (result.standings, result.done) == ({"superseded": 1}, 0)
    await dead(house, 1)
    assert (await again(house, forced=True)).done == 1
    await outcome(house, "late", "succeeded")
    assert await quantity(house, cart_id) == 7


async def test_an_actor_that_moves_before_the_replay_arrives_refuses_it(house: House) -> None:
    """The worker looks again, in its transaction: a shopper's command is rejected `superseded`."""
    await house.sell()
    bug = Bug()
    first = await house.worker(bug.group())
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender, "shopper's")
    await outcome(house, "shopper's", "failed")
    await dead(house, 1)
    await house.stop(first)
    await house.send(SetItem(cart_id=cart_id, isbn=ISBN, quantity=5), sender, "between")
    assert (await again(house)).done == 1  # behind "between", which no worker has seen yet
    await house.worker(bug.group())
    rejected = await outcome(house, "shopper's", "rejected")
    assert rejected["problem"]["code"] == "superseded"
    assert (rejected["rev"], rejected["failed_rev"]) == (1, 0)
    assert await quantity(house, cart_id) == 5
    await dead(house, 0)


async def test_what_the_system_itself_sent_is_never_merely_refused(house: House) -> None:
    """The second step of a merge carries the shopper's lines: superseded, it stands among the letters again."""
    await house.sell()
    bug = Bug()
    first = await house.worker(bug.group(AbsorbCart))
    guest = Sender("guest:g", holds=("g",))
    sender, cart_id = shopper(1)
    both = Sender(sender.id, holds=("g",))
    await house.send(add("g", 2), guest)
    await house.send(MergeCart(cart_id="g", into=cart_id), both, "merge")
    failed = await outcome(house, "merge", "failed")
    await dead(house, 1)
    letter = (await survey(house.endpoint, CARTS_ONLY, letters=1)).letters[0]
    assert (letter.type, letter.sender) == ("AbsorbCart", "system:worker")
    await house.stop(first)
    await house.send(add(cart_id, 1), sender, "between")
    assert (await again(house)).done == 1
    bug.mended = True
    await house.worker(bug.group(AbsorbCart))
    await outcome(house, "between", "succeeded")
    await dead(house, 1)
    again_dead = (await survey(house.endpoint, CARTS_ONLY, letters=1)).letters[0]
    assert (again_dead.reason, again_dead.replays) == ("superseded", 1)
    assert (await again(house)).standings == {"superseded": 1}
    assert (await again(house, forced=True)).done == 1
    ended = await outcome(house, "merge", "succeeded")
    assert ended["at"] == failed["at"]
    assert await quantity(house, cart_id) == 3


async def test_a_message_that_is_too_old_goes_only_by_force(house: House) -> None:
    """Older than receipts are kept: dead-lettered `expired`, left by a replay, processed where somebody insists."""
    await house.sell()
    await house.worker(CARTS)
    sender, cart_id = shopper(1)
    old = utc_now() - RECEIPT_LIFETIME - timedelta(minutes=1)
    await house.send(add(cart_id), sender, "old", accepted_at=old)
    await outcome(house, "old", "failed")
    await dead(house, 1)
    result = await again(house)
    assert (result.standings, result.done) == ({"expired": 1}, 0)
    assert (await again(house, forced=True)).done == 1
    await outcome(house, "old", "succeeded")
    assert await quantity(house, cart_id) == 1


async def test_unordered_groups_supersede_too(house: House) -> None:
    """A handler of an unordered group that was mended: once more, whatever its actors do, and then never again."""
    calls: list[str] = []
    mended = False

    async def handle(message: Any, desk: Any) -> Effects:
        calls.append(desk.envelope.id)
        if not mended:
            raise RuntimeError("not yet")
        return Effects(result={"note": "done"})

    worker = await house.worker(unordered("payments", handle))
    envelope = envelope_of(add("c"), message_id="p")
    await house.publisher.publish(envelope, "", "payments")
    await outcome(house, "p", "failed", "payments")
    await dead(house, 1, "payments")
    assert (await again(house, Selection(group="payments"))).done == 1
    await dead(house, 1, "payments")
    mended = True
    assert (await again(house, Selection(group="payments"))).done == 1
    ended = await outcome(house, "p", "succeeded", "payments")
    assert ended["result"] == {"note": "done"}
    assert ended["supersedes"] is not None
    assert calls == ["p"] * 3
    headers = {REPLAY: "r", SUPERSEDES: ended["supersedes"].isoformat()}
    await house.publisher.publish_body(
        envelope.to_bytes(),
        "",
        "payments",
        message_id="p",
        type="AddItem",
        correlation_id="",
        headers=headers,
    )
    await house.empty("payments")
    await house.stop(worker)
    await house.empty("payments", "payments.dead")
    assert calls == ["p"] * 3


async def test_a_late_copy_of_an_earlier_replay_is_a_duplicate(house: House) -> None:
    """It answers a failure that was answered already: the message failed again since, and is not tried once more."""
    await house.sell()
    bug = Bug()
    worker = await house.worker(bug.group())
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender, "m")
    first = await outcome(house, "m", "failed")
    await dead(house, 1)
    body = (await find(house.endpoint, "m"))[0].body
    await again(house)
    await until(partial(failed_after, house, "m", first["at"]), "another failure")
    await dead(house, 1)
    bug.mended = True
    headers = {REPLAY: "earlier", SUPERSEDES: first["at"].isoformat()}
    queue = BY_NAME["carts"].queue_of(slot_of(cart_id))
    await house.publisher.publish_body(
        body, "", queue, message_id="m", type="AddItem", correlation_id="", headers=headers
    )
    await house.empty(queue)
    await house.stop(worker)
    assert (await house.receipt("m"))["status"] == "failed"
    assert (bug.calls, await quantity(house, cart_id)) == (2, 0)
    await dead(house, 1)


async def test_what_the_broker_gave_up_can_be_replayed(house: House) -> None:
    """A message that killed its workers has a receipt with its actor's revision, and once it is mended, an effect."""
    await house.sell()
    await house.worker(CARTS)
    sender, cart_id = shopper(1)
    await house.receipt(await house.send(add(cart_id), sender))
    killer = envelope_of(add(cart_id, 2), sender, "killer")
    await house.publisher.publish(killer, "", "carts.undertaker")
    failed = await outcome(house, "killer", "failed")
    assert failed["rev"] == 1
    await dead(house, 1)
    assert (await again(house)).standings == {"ready": 1}
    await outcome(house, "killer", "succeeded")
    assert await quantity(house, cart_id) == 3


async def test_replays_of_unordered_groups_survive_their_retry_tiers(house: House) -> None:
    """A replay that has to wait comes back as a replay, with its history."""
    calls: list[str] = []

    async def handle(message: Any, desk: Any) -> Effects:
        calls.append(desk.envelope.id)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        if len(calls) == 2:
            raise Transient("the gateway is away")
        return Effects()

    await house.worker(unordered("payments", handle))
    await house.publisher.publish(envelope_of(add("c"), message_id="p"), "", "payments")
    await outcome(house, "p", "failed", "payments")
    await dead(house, 1, "payments")
    result = await again(house, Selection(group="payments"))
    ended = await outcome(house, "p", "succeeded", "payments")
    assert (ended["replay"], ended["attempts"], calls) == (result.run, 2, ["p"] * 3)
    await house.empty()

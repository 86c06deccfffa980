"""Dead letters replayed and dropped, through real workers."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from broker.dead import ERROR, REASON
from broker.groups import Desk, Effects, OrderedGroup
from broker.letters import Result, Selection, drop, find, replay, survey
from broker.letters.drop import ReasonMissing
from broker.letters.standing import ACTORS
from broker.messages import AbsorbCart, AddItem, MergeCart, Sender, SetItem
from broker.replays import EARLIER, FORCED, HISTORY, REPLAY, REPLAYS, SUPERSEDES
from documents.actors import utc_now
from documents.carts import Cart
from documents.operations import RECEIPT_LIFETIME
from handlers.carts import CARTS
from handlers.catalog import CATALOG
from tests.broker.house import ALL, ISBN, House, add, envelope_of, shopper, unordered, until

CARTS_ONLY = Selection(group="carts")
BY = "user:operator"


class Bug:
    """A handler with a bug that can be mended while the worker runs."""

    def __init__(self) -> None:
        self.mended = False
        self.calls = 0

    def group(self, kind: Any = AddItem) -> OrderedGroup:
        """The carts' group with the bug in it."""
        handler = CARTS.handlers[kind]

        def handle(cart: Cart, command: Any, desk: Desk) -> Effects:
            self.calls += 1
            if not self.mended:
                raise RuntimeError(f"thirteen in cart {cart.id}")
            return handler(cart, command, desk)

        return replace(CARTS, handlers={**CARTS.handlers, kind: handle})


async def again(house: House, selection: Selection = CARTS_ONLY, **options: Any) -> Result:
    """A replay of what stands there."""
    return await replay(house.endpoint, house.publisher, selection, by=BY, **options)


async def dead(house: House, count: int, group: str = "carts") -> None:
    """Returns once that many letters stand there."""

    async def there() -> bool:
        return await house.waiting(f"{group}.dead") == count

    await until(there, f"{count} letters in {group}.dead")


async def outcome(house: House, message_id: str, status: str, group: str = "carts") -> dict[str, Any]:
    """The receipt of a message once it says that."""

    async def says() -> Any:
        return await house.database.receipts.find_one({"_id": f"{group}/{message_id}", "status": status})

    found: dict[str, Any] = await until(says, f"{message_id} to be {status}")
    return found


async def quantity(house: House, cart_id: str) -> int:
    """Copies of the title in a cart; 0 where there is none."""
    found = await house.database.carts.find_one({"_id": cart_id})
    line = found["lines"].get(ISBN) if found else None
    return int(line["quantity"]) if line else 0


def test_every_ordered_groups_actor_is_known() -> None:
    """What a letter's actor is compared with is the document that its group owns."""
    owned = {group.name: group.actor for group in ALL if isinstance(group, OrderedGroup)}
    assert owned == ACTORS


async def test_a_mended_bug_and_a_replay_have_the_effect_once(house: House) -> None:
    """Three commands of one cart failed alike: all three take effect, in order, and their receipts are superseded."""
    await house.sell()
    bug = Bug()
    await house.worker(bug.group(), CATALOG)
    sender, cart_id = shopper(1)
    ids = [await house.send(add(cart_id, n), sender, f"m{n}") for n in (1, 2, 3)]
    failed = await house.receipts(ids)
    assert [(each["status"], each["rev"]) for each in failed] == [("failed", 0)] * 3
    await dead(house, 3)
    bug.mended = True
    result = await again(house)
    assert (result.matched, result.done, result.stopped) == (3, 3, None)
    assert result.standings == {"ready": 3}
    ended = [await outcome(house, each, "succeeded") for each in ids]
    assert [each["rev"] for each in ended] == [1, 2, 3]
    assert [each["supersedes"] for each in ended] == [each["at"] for each in failed]
    assert {each["replay"] for each in ended} == {result.run}
    assert await quantity(house, cart_id) == 6
    await dead(house, 0)


async def test_a_replay_that_comes_twice_takes_effect_once(house: House) -> None:
    """Whoever dies between publish and ack doubles the message; the second one only finds the outcome of the first."""
    await house.sell()
    bug = Bug()
    worker = await house.worker(bug.group())
    sender, cart_id = shopper(1)
    await house.send(add(cart_id, 2), sender, "twice")
    failed = await outcome(house, "twice", "failed")
    await dead(house, 1)
    bug.mended = True
    await house.stop(worker)
    body = (await find(house.endpoint, "twice"))[0].body
    for run in ("r1", "r1", "r2"):
        headers = {REPLAY: run, SUPERSEDES: failed["at"].isoformat(), FORCED: True}
        await house.publisher.publish_body(
            body,
            "quire.commands",
            "carts.0",
            message_id="twice",
            type="AddItem",
            correlation_id="",
            headers=headers,
        )
    await house.worker(bug.group())
    await outcome(house, "twice", "succeeded")
    assert (await again(house)).standings == {"settled": 1}
    after = await house.send(SetItem(cart_id=cart_id, isbn="9786600000011", quantity=1), sender)
    await house.receipt(after)
    await house.empty("carts.0", "carts.dead")
    assert await quantity(house, cart_id) == 2
    assert bug.calls >= 1


async def test_all_letters_replayed_after_everything_had_succeeded_change_nothing(house: House) -> None:
    """A copy of the whole queue, kept from before and put back, is absorbed by receipts that say succeeded."""
    await house.sell()
    bug = Bug()
    await house.worker(bug.group())
    carts = [shopper(number) for number in range(8)]
    ids = [await house.send(add(cart_id), sender) for sender, cart_id in carts]
    await house.receipts(ids)
    await dead(house, 8)
    kept = [await house.get("carts.dead") for _ in ids]

    async def put_back() -> None:
        for each in kept:
            await house.publisher.publish_body(
                each.body,
                "",
                "carts.dead",
                message_id=str(each.message_id),
                type=str(each.type),
                correlation_id=each.correlation_id,
                headers=dict(each.headers),
            )

    await put_back()
    bug.mended = True
    assert (await again(house)).standings == {"ready": 8}
    for each in ids:
        await outcome(house, each, "succeeded")
    before = await house.receipts(ids)
    await put_back()
    assert (await again(house)).standings == {"settled": 8}
    assert (await again(house, Selection(), forced=True)).matched == 0
    await house.empty()
    assert await house.receipts(ids) == before
    assert [await quantity(house, cart_id) for _, cart_id in carts] == [1] * 8


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


async def test_a_message_that_fails_again_carries_its_history(house: House) -> None:
    """Each earlier failure is a line, attempts add up, and the first failure's time stays."""
    await house.sell()
    bug = Bug()
    await house.worker(bug.group())
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender, "stubborn")
    for round_ in range(1, 4):
        receipt = await outcome(house, "stubborn", "failed")
        await dead(house, 1)
        letter = (await survey(house.endpoint, CARTS_ONLY, letters=1)).letters[0]
        assert (letter.replays, len(letter.story)) == (round_ - 1, round_)
        assert letter.earlier_attempts == round_ - 1
        assert letter.last_failed_at == receipt["at"]
        assert (await again(house)).done == 1
        await until(partial(_failed_after, house, "stubborn", receipt["at"]), "another failure")
    await dead(house, 1)
    raw = await house.get("carts.dead")
    assert (raw.headers[REPLAYS], raw.headers[EARLIER]) == (3, 3)
    history = raw.headers[HISTORY]
    assert isinstance(history, list)
    assert len(history) == 3
    assert all("handler raised after 1 attempt" in str(line) for line in history)
    assert await house.database.audit.count_documents({"deed": "replayed", "by": BY}) == 3


async def _failed_after(house: House, message_id: str, seen: Any) -> bool:
    found = await house.database.receipts.find_one({"_id": f"carts/{message_id}"})
    return bool(found and found["at"] > seen)


async def test_what_arrives_later_is_not_swept_along(house: House) -> None:
    """Messages that fail at once, again and again: a run touches each letter that stood there once, and no new one."""
    await house.sell()
    bug = Bug()
    await house.worker(bug.group())
    carts = [shopper(number) for number in range(20)]
    ids = [await house.send(add(cart_id), sender) for sender, cart_id in carts]
    await house.receipts(ids)
    await dead(house, 20)
    dry = await again(house, dry_run=True)
    assert (dry.done, dry.dry_run) == (20, True)
    assert await house.waiting("carts.dead") == 20
    late_sender, late_cart = shopper(99)
    await house.send(add(late_cart), late_sender, "late")
    await outcome(house, "late", "failed")
    await dead(house, 21)
    result = await again(house, replace(CARTS_ONLY, before=dry.as_of), held_max=7)
    assert (result.matched, result.done) == (20, 20)
    await dead(house, 21)
    letters = (await survey(house.endpoint, CARTS_ONLY, letters=50)).letters
    assert sorted(letter.replays for letter in letters) == [0] + [1] * 20
    assert bug.calls == 41


async def test_selectors_take_what_they_say(house: House) -> None:
    """By group, cause, reason, type, id and age: those go, the others stay in their order."""
    await house.sell()
    bug = Bug()
    await house.worker(bug.group(), unordered("payments"))
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender, "bug")
    await outcome(house, "bug", "failed")
    await house.raw(b"{not json", "carts.0", message_id="poison")
    await outcome(house, "poison", "failed")
    await house.raw(b"{not json", "payments", message_id="poison 2")
    await outcome(house, "poison 2", "failed", "payments")
    await dead(house, 2)
    await dead(house, 1, "payments")
    seen = await survey(house.endpoint, Selection())
    assert {name: count for name, count in seen.groups.items() if count} == {"carts": 2, "payments": 1}
    causes = {cause.reason: cause for cause in seen.causes if cause.group == "carts"}
    assert causes["handler raised"].error.startswith("RuntimeError: thirteen in cart")
    took = {
        name: (await again(house, selection, dry_run=True)).done
        for name, selection in {
            "group": Selection(group="payments"),
            "cause": Selection(cause=causes["handler raised"].id),
            "reason": Selection(cause="undecodable"),
            "type": Selection(type="AddItem"),
            "message": Selection(id="poison 2"),
            "letter": Selection(id=causes["handler raised"].example),
            "old": Selection(older_than=timedelta(hours=1)),
            "new": Selection(newer_than=timedelta(hours=1)),
            "before": Selection(before=seen.as_of),
            "never": Selection(before=seen.as_of - timedelta(hours=1)),
        }.items()
    }
    expected = {"group": 1, "cause": 1, "reason": 2, "type": 1, "message": 1, "letter": 1, "old": 0, "new": 3}
    assert took == {**expected, "before": 3, "never": 0}
    bug.mended = True
    assert (await again(house, Selection(cause=causes["handler raised"].id))).done == 1
    await outcome(house, "bug", "succeeded")
    await dead(house, 1)


async def test_a_drop_is_kept_whole_with_its_reason(house: House) -> None:
    """Who, when, what and why stand in the audit; without a reason nothing goes; the receipt goes on saying failed."""
    await house.sell()
    bug = Bug()
    await house.worker(bug.group())
    sender, cart_id = shopper(1)
    for name in ("one", "two"):
        await house.send(add(cart_id), sender, name)
        await outcome(house, name, "failed")
    await dead(house, 2)
    with pytest.raises(ReasonMissing):
        await drop(house.endpoint, CARTS_ONLY, by=BY, why=" ")
    dry = await drop(house.endpoint, CARTS_ONLY, by=BY, why="a test", dry_run=True)
    assert (dry.done, await house.waiting("carts.dead")) == (2, 2)
    done = await drop(house.endpoint, Selection(id="one"), by=BY, why="a test", held_max=2)
    assert [letter.message_id for letter in done.named] == ["one"]
    await dead(house, 1)
    entry = await house.database.audit.find_one({"deed": "dropped"})
    assert entry is not None
    assert (entry["by"], entry["why"], entry["group"], entry["message_id"]) == (BY, "a test", "carts", "one")
    assert msgspec.json.decode(entry["body"])["id"] == "one"
    assert entry["headers"][REASON] == "handler raised"
    assert "thirteen" in entry["headers"][ERROR]
    assert (await house.receipt("one"))["status"] == "failed"


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

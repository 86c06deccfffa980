"""Dead letters replayed and dropped, through real workers."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import msgspec
import pytest

from broker.dead import ERROR, REASON
from broker.groups import OrderedGroup
from broker.letters import Selection, drop, find, survey
from broker.letters.drop import ReasonMissing
from broker.letters.standing import ACTORS
from broker.messages import SetItem
from broker.replays import EARLIER, FORCED, HISTORY, REPLAY, REPLAYS, SUPERSEDES
from handlers.catalog import CATALOG
from tests.broker.house import ALL, House, add, shopper, unordered, until
from tests.broker.mending import BY, CARTS_ONLY, Bug, again, dead, failed_after, outcome, quantity


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
        await until(partial(failed_after, house, "stubborn", receipt["at"]), "another failure")
    await dead(house, 1)
    raw = await house.get("carts.dead")
    assert (raw.headers[REPLAYS], raw.headers[EARLIER]) == (3, 3)
    history = raw.headers[HISTORY]
    assert isinstance(history, list)
    assert len(history) == 3
    assert all("handler raised after 1 attempt" in str(line) for line in history)
    assert await house.database.audit.count_documents({"deed": "replayed", "by": BY}) == 3


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
    receipts = await house.receipts(["one", "two"])
    assert [(each["status"], each.get("dropped", False)) for each in receipts] == [
        ("failed", True),
        ("failed", False),
    ]


async def test_a_step_that_fails_again_can_be_replayed(house: House) -> None:
    """Its drop died half way: the mark was written, the letter stands. A replay leaves no mark behind."""
    await house.sell()
    bug = Bug()
    await house.worker(bug.group())
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender, "command")
    await outcome(house, "command", "failed")
    await house.send(add(cart_id), sender, "step")
    failed = await outcome(house, "step", "failed")
    await dead(house, 2)
    receipts = house.database.receipts
    await receipts.update_one({"_id": "carts/step"}, {"$set": {"operation": "carts/command"}})
    await receipts.update_many({}, {"$set": {"dropped": True}})
    body = (await find(house.endpoint, "step"))[0].body
    step = msgspec.json.decode(body) | {"operation": "carts/command"}
    headers = {REPLAY: "r1", SUPERSEDES: failed["at"].isoformat(), FORCED: True}
    await house.publisher.publish_body(
        msgspec.json.encode(step),
        "quire.commands",
        "carts.0",
        message_id="step",
        type="AddItem",
        correlation_id="",
        headers=headers,
    )
    await dead(house, 3)
    assert [each.get("dropped", False) for each in await house.receipts(["command", "step"])] == [
        False,
        False,
    ]


async def test_a_dropped_step_ends_its_operation_for_good(house: House) -> None:
    """The sender reads the operation, not the step: neither says any more that somebody can try again."""
    await house.sell()
    bug = Bug()
    await house.worker(bug.group())
    sender, cart_id = shopper(1)
    for name in ("command", "step", "another"):
        await house.send(add(cart_id), sender, name)
        await outcome(house, name, "failed")
    await house.database.receipts.update_one({"_id": "carts/step"}, {"$set": {"operation": "carts/command"}})
    await dead(house, 3)
    await drop(house.endpoint, Selection(id="step"), by=BY, why="a test")
    receipts = await house.receipts(["command", "step", "another"])
    assert [each.get("dropped", False) for each in receipts] == [True, True, False]

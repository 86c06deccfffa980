"""A run that follows a look does what was seen, and nothing that arrived after it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broker.dead import BYTES, LAST
from broker.letters import Result, Seen, Selection, drop, replay
from broker.letters.drop import NothingNamed
from tests.broker.house import House, add, envelope_of
from tests.broker.mending import BY, CARTS_ONLY, again, dead

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


async def put(house: House, *names: str, failed: datetime | None = NOON, cut: int = 0) -> None:
    """Letters of carts, as the outbox sends them; without a time where there is none, or cut from so many bytes."""
    for name in names:
        body = envelope_of(add(f"cart {name}"), message_id=name).to_bytes()
        headers: dict[str, Any] = {LAST: failed.isoformat()} if failed is not None else {}
        if cut:
            headers[BYTES] = cut
        await house.publisher.publish_body(
            body, "", "carts.dead", message_id=name, type="AddItem", correlation_id="c", headers=headers
        )


async def look(house: House, selection: Selection = CARTS_ONLY, **options: Any) -> tuple[Result, Seen]:
    """A dry run, and what it has seen."""
    result = await again(house, selection, dry_run=True, **options)
    return result, Seen(result.as_of, result.marks)


def named(result: Result) -> list[str]:
    """The messages of the letters that were done."""
    return [letter.message_id for letter in result.named]


async def test_whatever_arrives_after_a_look_stays_whatever_its_times(house: House) -> None:
    """From a slow clock, from an outbox that held it, without a time: neither replay nor drop takes it."""
    await put(house, "m1", "m2")
    dry, seen = await look(house)
    assert (named(dry), dry.marks["carts"].count, list(dry.marks)) == (["m1", "m2"], 2, ["carts"])
    await put(house, "slow clock", failed=NOON - timedelta(days=9))
    await put(house, "no time", failed=None)
    await put(house, "in order", failed=dry.as_of)
    far = Selection(group="carts", before=datetime(2099, 1, 1, tzinfo=UTC))
    only = await drop(house.endpoint, Selection(group="carts", id="no time"), by=BY, why="late", seen=seen)
    assert (only.matched, only.stopped) == (0, None)
    result = await again(house, far, seen=seen)
    assert (result.matched, sorted(named(result)), result.stopped) == (2, ["m1", "m2"], None)
    await dead(house, 3)
    entry = await house.database.audit.find_one({"_id": result.run})
    assert entry is not None
    assert entry["selection"]["seen"] == {"carts": 2}


async def test_nobody_grows_old_enough_after_the_look(house: House) -> None:
    """Ages are counted to the time of the look: what was too young then is so in the run that follows."""
    now = datetime.now(UTC)
    await put(house, "old", failed=now - timedelta(seconds=60))
    await put(house, "young", failed=now - timedelta(seconds=30))
    _, seen = await look(house)
    older = Selection(group="carts", older_than=timedelta(seconds=40))
    later = Seen(seen.as_of + timedelta(seconds=20), seen.marks)
    assert named(await again(house, older, dry_run=True, seen=later)) == ["old", "young"]
    assert named(await again(house, older, seen=seen)) == ["old"]


async def test_what_was_seen_is_found_behind_what_others_took(house: House) -> None:
    """Somebody takes letters in between: the rest of those seen goes, and no other; where the last is gone, nothing."""
    await put(house, "m1", "m2", "m3")
    _, seen = await look(house)
    assert (await drop(house.endpoint, Selection(id="m1"), by=BY, why="another")).done == 1
    await put(house, "later", failed=None)
    result = await drop(house.endpoint, Selection(id="later"), by=BY, why="a test", seen=seen)
    assert (result.done, result.stopped) == (0, None)
    assert sorted(named(await again(house, seen=seen))) == ["m2", "m3"]
    gone = await again(house, seen=seen)
    assert (gone.done, gone.stopped) == (
        0,
        "somebody else took letters of carts.dead after they were looked at: look again",
    )
    await dead(house, 1)


async def test_no_more_is_done_than_one_look_reads(house: House) -> None:
    """A queue longer than a look: the run that follows ends where the look did."""
    await put(house, *(f"m{number}" for number in range(9)))
    dry, seen = await look(house, held_max=4)
    assert (dry.done, dry.truncated) == (4, ["carts"])
    assert (await again(house, seen=seen, held_max=4)).done == 4
    await dead(house, 5)


async def test_a_letter_without_a_time_is_not_before_any(house: House) -> None:
    """Nobody knows when it came, so a cut-off leaves it; its id, its group and its age, which has no end, take it."""
    await put(house, "no time", failed=None)
    assert (await look(house, Selection(before=datetime(2099, 1, 1, tzinfo=UTC))))[0].done == 0
    assert (await look(house, Selection(older_than=timedelta(days=9))))[0].done == 1
    assert (await again(house, Selection(id="no time"))).done == 1


async def test_times_alone_drop_nothing(house: House) -> None:
    """An age of nothing is everything: group, cause, type or id is needed, and times narrow them."""
    await put(house, "m1")
    for times in ({"older_than": timedelta(0)}, {"newer_than": timedelta(days=9)}, {"before": NOON}, {}):
        with pytest.raises(NothingNamed):
            await drop(house.endpoint, Selection(**times), by=BY, why="x")
    narrowed = Selection(group="carts", older_than=timedelta(0))
    assert (await drop(house.endpoint, narrowed, by=BY, why="x")).done == 1


async def test_what_stays_is_counted_apart(house: House) -> None:
    """By force all go but what was cut: only that stays."""
    await put(house, "m1")
    await put(house, "m2", cut=99_000_000)
    result = await replay(house.endpoint, house.publisher, CARTS_ONLY, by=BY, forced=True)
    assert (result.done, result.standings, result.stays) == (1, {"ready": 1, "cut": 1}, {"cut": 1})

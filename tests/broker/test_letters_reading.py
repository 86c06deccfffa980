"""Dead-letter queues that are looked at: nothing is lost, nothing changes its place."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broker.connection import Endpoint
from broker.dead import BYTES, ERROR, LAST, ORIGIN, REASON
from broker.letters import (
    LettersBusy,
    LettersUnavailable,
    Selection,
    UnknownGroup,
    drop,
    find,
    replay,
    survey,
)
from broker.letters import reading as reading_module
from broker.letters.reading import reader
from broker.topology import BY_NAME
from tests.broker.house import House, add, envelope_of, until

CARTS = BY_NAME["carts"]
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
MANY = 1_000


async def letters(house: House, numbers: Any, **more: Any) -> None:
    """Puts letters into carts.dead, named by number, as the outbox does."""
    for number in numbers:
        envelope = envelope_of(add(f"cart {number}"), message_id=f"m{number}")
        headers = {
            ORIGIN: "carts.3",
            REASON: "handler raised",
            ERROR: f"RuntimeError: cart {number} is odd\nand more",
            LAST: (NOON + timedelta(seconds=number)).isoformat(),
            **more,
        }
        await house.publisher.publish_body(
            envelope.to_bytes(),
            "",
            "carts.dead",
            message_id=envelope.id,
            type=envelope.type,
            correlation_id="c",
            headers=headers,
        )


async def standing(house: House) -> list[str]:
    """The message ids in carts.dead, in their order."""
    seen = await survey(house.endpoint, Selection(group="carts"), letters=2 * MANY)
    return [letter.message_id for letter in seen.letters]


async def test_many_letters_are_listed_in_order_while_more_arrive(house: House) -> None:
    """1,000 letters, looked at by several at a time: always all of them, in their order, and the new ones behind."""
    await letters(house, range(MANY))
    names = [f"m{number}" for number in range(MANY + 100)]
    arriving = asyncio.create_task(letters(house, range(MANY, MANY + 100)))
    looks = 0
    while not arriving.done() or looks < 4:
        for seen in await asyncio.gather(standing(house), standing(house)):
            assert len(seen) >= MANY
            assert seen == names[: len(seen)]
            looks += 1
    await arriving
    assert await standing(house) == names
    assert await house.waiting("carts.dead") == MANY + 100


async def test_letters_of_one_cause_are_one_line(house: House) -> None:
    """Ids and numbers in an error do not tell causes apart; the line tells how many, since when, until when."""
    await letters(house, range(20))
    await letters(house, range(20, 25), **{REASON: "attempts spent"})
    seen = await survey(house.endpoint, Selection())
    assert [(cause.reason, cause.count) for cause in seen.causes] == [
        ("handler raised", 20),
        ("attempts spent", 5),
    ]
    first = seen.causes[0]
    assert (first.group, first.type, first.error) == ("carts", "AddItem", "RuntimeError: cart … is odd")
    assert (first.oldest, first.newest) == (NOON, NOON + timedelta(seconds=19))
    assert (seen.groups["carts"], seen.matched, seen.letters) == (25, 25, [])
    found = await find(house.endpoint, first.example)
    assert [each.letter.message_id for each in found] == ["m0"]
    assert await find(house.endpoint, "nobody") == []


async def test_a_look_that_fails_half_way_loses_nothing(house: House) -> None:
    """Whoever reads and dies, by an error or with its connection, leaves the queue as it was."""
    await letters(house, range(100))

    async def by_an_error() -> None:
        async with reader(house.endpoint) as mine:
            await mine.lock(CARTS)
            async with mine.read(CARTS) as reading:
                await reading.settle(reading.held[40])
                raise ZeroDivisionError

    async def with_its_connection() -> None:
        async with reader(house.endpoint) as mine:
            await mine.lock(CARTS)
            async with mine.read(CARTS) as reading:
                await mine._connection.close()
                await reading.settle(reading.held[50])

    with pytest.raises(ZeroDivisionError):
        await by_an_error()
    with pytest.raises(LettersUnavailable):
        await with_its_connection()

    async def all_back() -> bool:
        return await house.waiting("carts.dead") == 99

    await until(all_back, "99 letters")
    assert await standing(house) == [f"m{number}" for number in range(100) if number != 40]


async def test_one_reader_of_a_group_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one waits, and says so when it has waited long enough; other groups are free meanwhile."""
    await letters(house, range(3))
    monkeypatch.setattr(reading_module, "LOCKED_WITHIN_S", 0.3)
    async with reader(house.endpoint) as mine:
        await mine.lock(CARTS)
        with pytest.raises(LettersBusy):
            await survey(house.endpoint, Selection(group="carts"))
        assert (await survey(house.endpoint, Selection(group="orders"))).matched == 0
    assert (await survey(house.endpoint, Selection(group="carts"))).matched == 3


async def test_bounded_looks_and_bounded_bodies_still_get_through(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look reads so many letters and says that there are more; a replay goes on in rounds until all are through."""
    await letters(house, range(60))
    seen = await survey(house.endpoint, Selection(group="carts"), letters=100, held_max=25)
    assert (len(seen.letters), seen.groups["carts"], seen.truncated) == (25, 60, ["carts"])
    dropped = await drop(house.endpoint, Selection(id="m59"), by="user:x", why="far behind", held_max=25)
    assert (dropped.done, dropped.truncated) == (0, ["carts"])
    small = reading_module.Reader.read.__wrapped__.__kwdefaults__  # type: ignore[attr-defined]
    monkeypatch.setitem(small, "bytes_max", 2_000)
    result = await replay(house.endpoint, house.publisher, Selection(), by="user:x", held_max=25)
    assert (result.matched, result.done, result.truncated, result.stopped) == (60, 60, [], None)
    assert await house.waiting("carts.dead") == 0
    assert sum([await house.waiting(queue) for queue in CARTS.queues]) == 60


async def test_a_letter_that_was_cut_stays_until_it_is_dropped(house: House) -> None:
    """What is left of its body is no message any more: no replay sends it, not even by force."""
    await letters(house, [1], **{BYTES: 99_000_000})
    result = await replay(house.endpoint, house.publisher, Selection(), by="user:x", forced=True)
    assert (result.standings, result.done) == ({"cut": 1}, 0)
    assert (await drop(house.endpoint, Selection(group="carts"), by="user:x", why="cut")).done == 1
    assert await house.waiting("carts.dead") == 0


async def test_what_somebody_else_put_there_is_a_letter_too(house: House) -> None:
    """No headers, no envelope, no id: it is listed, and dropped by the name that it got."""
    await house.publisher.publish_body(
        b"\xff\x00",
        "",
        "carts.dead",
        message_id="",
        type="",
        correlation_id=None,
        headers={"x": [1, {"y": NOON}]},
    )
    seen = (await survey(house.endpoint, Selection(), letters=1)).letters[0]
    assert (seen.reason, seen.key, seen.headers["x"]) == ("unknown", "", [1, {"y": NOON.isoformat()}])
    assert (await drop(house.endpoint, Selection(id=seen.id), by="user:x", why="odd")).done == 1


async def test_a_broker_that_is_away_is_said_so() -> None:
    """Nobody answers there: LettersUnavailable, and an unknown group is told from it."""
    nowhere: Endpoint = "amqp://guest:guest@127.0.0.1:1/"
    with pytest.raises(LettersUnavailable):
        await survey(nowhere, Selection())
    with pytest.raises(UnknownGroup):
        _ = Selection(group="nobody").groups

"""Acks: as few frames as the order of work allows, and never one for a message that was not worked off."""

import asyncio
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiormq.exceptions import ChannelInvalidStateError
from hypothesis import given
from hypothesis import strategies as st

from broker import acks as module
from broker.acks import ENOUGH, AckBook, Acks
from broker.delivery import Delivery
from broker.ending import end
from tests.broker.house import ISBN, House, add, cut, shopper, until


class Channel:
    """RabbitMQ's side of acks: an unknown tag closes the channel (AMQP 0-9-1, basic.ack)."""

    number = 1
    is_closed = False

    def __init__(self, delivered: int) -> None:
        self.unacked = set(range(1, delivered + 1))
        self.frames: list[tuple[int, bool]] = []
        self.closed = False

    async def basic_ack(self, tag: int, multiple: bool = False, wait: bool = True) -> None:
        """Settles one delivery, or all up to it."""
        if self.closed:
            raise ChannelInvalidStateError
        await asyncio.sleep(0)
        assert tag in self.unacked, f"PRECONDITION_FAILED - unknown delivery tag {tag}"
        self.frames.append((tag, multiple))
        self.unacked -= {each for each in self.unacked if each <= tag} if multiple else {tag}


async def done(acks: Acks, tags: list[int]) -> None:
    """These are finished, and acked at once."""
    for tag in tags:
        acks.finished(tag)
    await acks.send()


def opened(count: int, *missing: int) -> tuple[Channel, Acks]:
    """A channel on which tags were delivered; those missing never reached us."""
    channel: Any = Channel(count)
    acks = Acks(channel)
    for tag in range(1, count + 1):
        if tag not in missing:
            acks.opened(tag)
    return channel, acks


async def test_a_run_is_one_frame_and_what_is_behind_a_gap_goes_alone() -> None:
    """1 to 3 together, 5 and 6 alone while 4 is at work, then 4 to 7 together."""
    channel, acks = opened(7)
    await done(acks, [1, 2, 3])
    await done(acks, [5, 6])
    await done(acks, [4, 7])
    assert channel.frames == [(3, True), (5, False), (6, False), (7, True)]
    assert channel.unacked == set()


async def test_a_delivery_that_never_reached_us_is_never_acked() -> None:
    """`multiple` ends where a tag is missing: that message stays with the broker and comes again."""
    channel, acks = opened(6, 3)
    for tag in (1, 2, 4, 5, 6):
        await done(acks, [tag])
    assert channel.unacked == {3}


@given(data=st.data(), count=st.integers(1, 12))
async def test_in_whatever_order_work_ends_exactly_that_is_acked(data: st.DataObject, count: int) -> None:
    """Finished at the same time, in any grouping: each ack names an unacked tag, and nothing unfinished is acked."""
    missing = data.draw(st.sets(st.integers(1, count), max_size=2))
    channel, acks = opened(count, *missing)
    order = data.draw(st.permutations([tag for tag in range(1, count + 1) if tag not in missing]))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(order)), max_size=4)) | {0, len(order)})
    groups = [sorted(order[a:b]) for a, b in pairwise(cuts)]
    await asyncio.gather(*(done(acks, group) for group in groups if group))
    assert channel.unacked == missing


async def test_a_channel_that_is_gone_takes_no_ack_and_raises_nothing() -> None:
    """The broker delivers again; the receipt answers."""
    channel, acks = opened(3)
    channel.closed = True
    await done(acks, [1, 2])
    assert channel.unacked == {1, 2, 3}


def booked(channels: int, each: int) -> tuple[AckBook, list[list[Any]], list[Channel]]:
    """A book of so many channels, and the deliveries of each."""
    book = AckBook()
    wires = [Channel(each) for _ in range(channels)]
    given = [
        [SimpleNamespace(channel=wire, tag=tag, failure=None) for tag in range(1, each + 1)] for wire in wires
    ]
    for deliveries in given:
        for delivery in deliveries:
            book.opened(cast("Delivery", delivery))
    return book, given, wires


async def test_acks_wait_for_company_and_go_by_themselves() -> None:
    """What is finished one by one goes in one frame a channel."""
    book, given, wires = booked(2, 9)
    running = asyncio.create_task(book.run())
    for delivery in (*given[0], *given[1][:4]):
        await book.done([delivery])
    assert [wire.frames for wire in wires] == [[], []]

    async def all_acked() -> bool:
        return [len(wire.unacked) for wire in wires] == [0, 5]

    await until(all_acked, "the acks")
    assert [wire.frames for wire in wires] == [[(9, True)], [(4, True)]]
    await end([running])


async def test_a_failure_is_acked_at_once() -> None:
    """An undertaker's queue brings the next one only then. What is finished on its channel goes along."""
    book, given, wires = booked(2, 3)
    given[0][1].failure = ValueError("poison")
    await book.done([given[0][0], given[1][0]])
    assert [wire.frames for wire in wires] == [[], []]
    await book.done([given[0][1]])
    assert [wire.frames for wire in wires] == [[(2, True)], []]


async def test_enough_acks_go_at_once() -> None:
    """Long before the prefetch is used up, and without anybody who sends what waits."""
    book, (first,), (wire,) = booked(1, ENOUGH + 1)
    for delivery in first[:-2]:
        await book.done([delivery])
    assert wire.frames == []
    await book.done(first[-2:])
    assert wire.frames == [(ENOUGH + 1, True)]


async def test_acks_that_are_held_go_with_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither company nor time sends them before."""
    monkeypatch.setattr(module, "WAIT_S", 0.0)
    book, (first,), (wire,) = booked(1, 2 * ENOUGH)
    running = asyncio.create_task(book.run())
    book.hold()
    for delivery in first:
        await book.done([delivery])
        await asyncio.sleep(0)
    assert wire.frames == []
    await book.release()
    assert wire.frames == [(2 * ENOUGH, True)]
    await end([running])


@pytest.mark.parametrize("times", [1, 3])
async def test_a_lost_channel_brings_messages_again_and_their_receipts_answer(
    house: House, times: int
) -> None:
    """Whatever was acked or not when the connection went: every command once, in order, and the queues empty."""
    await house.sell()
    worker = await house.worker()
    ids = []
    for number in range(90):
        sender, cart_id = shopper(number % 3)
        ids.append(await house.send(add(cart_id), sender))
        if number % (90 // (times + 1)) == 29:
            await cut(worker)
    revs = [receipt["rev"] for receipt in await house.receipts(ids)]
    assert revs == [number // 3 + 1 for number in range(90)]
    for number in range(3):
        assert (await house.cart(shopper(number)[1]))["lines"][ISBN]["quantity"] == 30
    await house.empty(*(f"carts.{n}" for n in range(8)))
    await house.stop(worker)
    await house.empty(*(f"carts.{n}" for n in range(8)))

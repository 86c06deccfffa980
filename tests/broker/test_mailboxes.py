"""Mailboxes alone: whose turn it is, and who waits."""

import asyncio
from typing import Any

from broker.actors.mailboxes import Mailboxes
from broker.delivery import Delivery
from broker.topology import BY_NAME
from tests.broker.house import add, envelope_of


class Line:
    """A channel that is there or gone."""

    is_closed = False


def delivery(cart_id: str, line: Line | None = None) -> Delivery:
    """A delivered command."""
    message = add(cart_id)
    raw: Any = None
    channel: Any = line or Line()
    return Delivery(BY_NAME["carts"], "carts.0", raw, channel, envelope_of(message), message)


def in_an_hour() -> float:
    """A due time that no test waits for."""
    return asyncio.get_running_loop().time() + 3600


async def test_a_mailbox_that_waits_keeps_its_order_and_holds_up_nobody() -> None:
    """Head, followers of the batch, what was ready behind it, what arrived later: in that order, once it is due."""
    boxes = Mailboxes()
    head, follower, ready, late = (delivery("a") for _ in range(4))
    other = delivery("b")
    boxes.put(ready)
    boxes.put(other)
    head.due = in_an_hour()
    boxes.postpone(head, [follower])
    boxes.put(late)
    assert await boxes.take(10) == [other]
    assert (len(boxes), boxes.ready) == (4, False)
    head.due = 0.0
    assert await boxes.take(10) == [head, follower, ready, late]


async def test_a_flood_behind_a_head_that_waits_brings_its_last_attempt_at_once() -> None:
    """As soon as it holds more than it may, it is due, and out of patience."""
    boxes = Mailboxes(parked_max=3)
    head = delivery("a")
    head.due, head.give_up_at = in_an_hour(), in_an_hour()
    boxes.postpone(head, [delivery("a"), delivery("a")])
    taking = asyncio.create_task(boxes.take(10))
    await asyncio.sleep(0)
    assert not taking.done()
    boxes.put(delivery("a"))
    taken = await asyncio.wait_for(taking, 1)
    assert (taken[0], len(taken), head.give_up_at) == (head, 4, 0.0)


async def test_what_was_delivered_on_a_channel_that_is_gone_makes_room_for_its_redelivery() -> None:
    """Stale deliveries neither fill the mailbox nor hold up the fresh ones."""
    boxes = Mailboxes(parked_max=2)
    line = Line()
    head = delivery("a", line)
    head.due = in_an_hour()
    boxes.postpone(head, [delivery("a", line)])
    line.is_closed = True
    again = [delivery("a"), delivery("a")]
    for each in again:
        boxes.put(each)
    assert await asyncio.wait_for(boxes.take(10), 1) == again


async def test_taking_waits_for_the_first_and_takes_no_more_than_asked() -> None:
    """At least one, at most so many, in order of arrival."""
    boxes = Mailboxes()
    taking = asyncio.create_task(boxes.take(2))
    await asyncio.sleep(0)
    three = [delivery(name) for name in "abc"]
    for each in three:
        boxes.put(each)
    assert await asyncio.wait_for(taking, 1) == three[:2]
    assert await boxes.take(2) == three[2:]


async def test_company_is_waited_for_until_there_is_enough() -> None:
    """Fewer do not end the wait; without it the first one does again."""
    boxes = Mailboxes()
    boxes.put(delivery("a"))
    gathering = asyncio.create_task(boxes.gathered(3, 3600))
    await asyncio.sleep(0)
    boxes.put(delivery("b"))
    await asyncio.sleep(0)
    assert not gathering.done()
    boxes.put(delivery("c"))
    await asyncio.wait_for(gathering, 1)
    assert len(await boxes.take(10)) == 3
    taking = asyncio.create_task(boxes.take(10))
    await asyncio.sleep(0)
    boxes.put(delivery("d"))
    assert len(await asyncio.wait_for(taking, 1)) == 1


async def test_company_that_does_not_come_is_not_waited_for() -> None:
    """What is there is taken after that time."""
    boxes = Mailboxes()
    boxes.put(delivery("a"))
    await asyncio.wait_for(boxes.gathered(2, 0.001), 1)
    assert len(await boxes.take(10)) == 1

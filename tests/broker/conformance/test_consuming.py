"""Who gets a message, and what happens to it when they say so, or can no longer say anything."""

import pytest
from aio_pika.exceptions import ChannelClosed, QueueEmpty

from tests.broker.conformance.sides import QUORUM, Client, Inbox, eventually, holds_ready, send

# Without a limit of its own a quorum queue of RabbitMQ 3.10 puts a nacked message at its tail; with one, and
# always from 4.0 on (which has a limit of 20 by default), it goes before what still waits.
LIMITED = {**QUORUM, "x-delivery-limit": 5}
SINGLE = {**QUORUM, "x-single-active-consumer": True}


async def test_prefetch_bounds_what_a_consumer_holds(client: Client) -> None:
    """A consumer with prefetch 2 holds two unacked messages, and gets the third for an ack."""
    channel = await client.channel(prefetch=2)
    queue = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await send(channel, "work", "1", "2", "3", "4", "5")
    inbox = Inbox()
    await queue.consume(inbox)
    held = await inbox.holds(2)
    await holds_ready(channel, "work", 3)
    assert inbox.bodies == ["1", "2"]
    await held[0].ack()
    await inbox.holds(3)
    assert inbox.bodies == ["1", "2", "3"]


async def test_ack_multiple_settles_everything_up_to_the_tag(client: Client) -> None:
    """One ack with `multiple` settles that delivery and all before it, and nothing after it."""
    channel = await client.channel(prefetch=10)
    queue = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await send(channel, "work", "1", "2", "3", "4")
    inbox = Inbox()
    await queue.consume(inbox)
    held = await inbox.holds(4)
    await held[2].ack(multiple=True)
    await client.close()
    channel = await client.channel()
    queue = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await holds_ready(channel, "work", 1)
    left = await queue.get(no_ack=True)
    assert (left.body, left.redelivered) == (b"4", True)


async def test_lost_consumer_gives_back_what_it_held_in_the_old_order(client: Client) -> None:
    """Unacked messages of a closed connection come back first, in their order, flagged and counted."""
    channel = await client.channel(prefetch=4)
    queue = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await send(channel, "work", *"123456")
    inbox = Inbox()
    await queue.consume(inbox)
    held = await inbox.holds(4)
    await held[1].ack()
    await inbox.holds(5)
    await client.close()

    channel = await client.channel()
    queue = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await holds_ready(channel, "work", 5)
    again = Inbox()
    await queue.consume(again, no_ack=True)
    got = await again.holds(5)
    assert again.bodies == ["1", "3", "4", "5", "6"]
    assert [message.redelivered for message in got] == [True, True, True, True, False]
    assert [message.headers.get("x-delivery-count") for message in got[:4]] == [1, 1, 1, 1]


async def test_requeued_messages_go_before_what_still_waits(client: Client) -> None:
    """Nacked with requeue, messages come again before those never delivered, in the order of the nack."""
    channel = await client.channel(prefetch=3)
    queue = await channel.declare_queue("work", durable=True, arguments=LIMITED)
    await send(channel, "work", *"12345")
    inbox = Inbox()
    await queue.consume(inbox)
    held = await inbox.holds(3)
    await held[2].nack(multiple=True, requeue=True)
    again = await inbox.holds(6)
    assert inbox.bodies == ["1", "2", "3", "1", "2", "3"]
    assert [message.redelivered for message in again[3:]] == [True, True, True]
    for message in again[3:]:
        await message.ack()
    await inbox.holds(8)
    assert inbox.bodies[6:] == ["4", "5"]


async def test_nacked_message_comes_after_those_already_handed_out(client: Client) -> None:
    """One message nacked alone comes behind the rest of the prefetch, before the rest of the queue."""
    channel = await client.channel(prefetch=3)
    queue = await channel.declare_queue("work", durable=True, arguments=LIMITED)
    await send(channel, "work", *"12345")
    inbox = Inbox()
    await queue.consume(inbox)
    held = await inbox.holds(3)
    await held[0].nack(requeue=True)
    await inbox.holds(4)
    assert inbox.bodies == ["1", "2", "3", "1"]


async def test_single_active_consumer_is_followed_by_the_next_in_order(client: Client) -> None:
    """One consumer has the queue; when it goes, the next one gets what was unacked, in order."""
    first, second = await client.connect("first"), await client.connect("second")
    inboxes = (Inbox(), Inbox())
    for connection, inbox in zip((first, second), inboxes, strict=True):
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=3)
        queue = await channel.declare_queue("carts.0", durable=True, arguments=SINGLE)
        await queue.consume(inbox)
    sender = await client.channel()
    await send(sender, "carts.0", *"12345")
    await inboxes[0].holds(3)
    await holds_ready(sender, "carts.0", 2)
    assert inboxes[1].bodies == []
    await first.close()
    taken = await inboxes[1].holds(3)
    for message in taken:
        await message.ack()
    await inboxes[1].holds(5)
    assert inboxes[0].bodies == ["1", "2", "3"]
    assert inboxes[1].bodies == ["1", "2", "3", "4", "5"]


async def test_cancelled_active_consumer_hands_over(client: Client) -> None:
    """When the active consumer cancels, the next one is served, without the first one's connection ending."""
    channel = await client.channel(prefetch=5)
    queue = await channel.declare_queue("carts.1", durable=True, arguments=SINGLE)
    inboxes = (Inbox(), Inbox())
    tag = await queue.consume(inboxes[0])
    await queue.consume(inboxes[1])
    await send(channel, "carts.1", "1")
    await (await inboxes[0].holds(1))[0].ack()
    await queue.cancel(tag)
    await send(channel, "carts.1", "2")
    await inboxes[1].holds(1)
    assert (inboxes[0].bodies, inboxes[1].bodies) == (["1"], ["2"])


async def test_consumers_share_a_queue(client: Client) -> None:
    """Without single-active-consumer, two consumers of prefetch 2 hold four messages between them."""
    channel = await client.channel(prefetch=2)
    queue = await channel.declare_queue("shared", durable=True, arguments=QUORUM)
    inboxes = (Inbox(), Inbox())
    for inbox in inboxes:
        await queue.consume(inbox)
    await send(channel, "shared", *"12345")
    for inbox in inboxes:
        await inbox.holds(2)
    await holds_ready(channel, "shared", 1)
    assert sorted(inboxes[0].bodies + inboxes[1].bodies) == ["1", "2", "3", "4"]


async def test_no_ack_consumer_settles_by_receiving(client: Client) -> None:
    """A no_ack consumer's messages are gone once delivered, also when its connection closes."""
    channel = await client.channel()
    queue = await channel.declare_queue("stream", durable=True, arguments=QUORUM)
    inbox = Inbox()
    await queue.consume(inbox, no_ack=True)
    await send(channel, "stream", *"123")
    await inbox.holds(3)
    await client.close()
    channel = await client.channel()
    await holds_ready(channel, "stream", 0)


async def test_get_from_an_empty_queue(client: Client) -> None:
    """Getting from an empty queue raises QueueEmpty, or gives None where asked to."""
    channel = await client.channel()
    queue = await channel.declare_queue("empty", durable=True, arguments=QUORUM)
    with pytest.raises(QueueEmpty):
        await queue.get()
    assert await queue.get(fail=False) is None


async def test_ack_of_an_unknown_delivery_closes_the_channel(client: Client) -> None:
    """Acking what was settled already is a fault of the consumer: the broker closes its channel."""
    channel = await client.channel()
    queue = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await send(channel, "work", "1")
    await holds_ready(channel, "work", 1)
    message = await queue.get()
    underlay = await channel.get_underlay_channel()
    await message.ack()
    await underlay.basic_ack(message.delivery_tag or 0)
    with pytest.raises(ChannelClosed):
        await underlay.closing


async def test_exclusive_queue_dies_with_its_connection(client: Client) -> None:
    """A reply queue is its connection's alone, and gone when that closes."""
    owner = await client.connect("owner")
    queue = await (await owner.channel()).declare_queue("replies.1", exclusive=True)
    with pytest.raises(ChannelClosed):
        await (await client.channel()).declare_queue("replies.1", exclusive=True)
    await owner.close()

    async def gone() -> bool:
        try:
            await (await client.channel()).declare_queue(queue.name, passive=True)
        except ChannelClosed as refused:
            return "NOT_FOUND" in str(refused)
        return False

    await eventually(gone, lambda: "the exclusive queue is gone")


async def test_auto_delete_queue_dies_with_its_last_consumer(client: Client) -> None:
    """An auto-delete queue with a name from the broker lives until its last consumer cancels."""
    channel = await client.channel()
    queue = await channel.declare_queue("", auto_delete=True)
    assert queue.name
    tag = await queue.consume(Inbox())
    await queue.cancel(tag)

    async def gone() -> bool:
        try:
            await (await client.channel()).declare_queue(queue.name, passive=True)
        except ChannelClosed:
            return True
        return False

    await eventually(gone, lambda: "the auto-delete queue is gone")

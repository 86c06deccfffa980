"""What a broker still has after it was down."""

import asyncio

from tests.broker.conformance.sides import QUORUM, Client, Inbox, Side, drain, holds_ready, send

# At-least-once matters here: with RabbitMQ's default, what expires while the node comes up is dropped (seen
# on 3.10.8: the retry queue is ready before the work queue).
RETRY = {
    **QUORUM,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": "work",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
    "x-message-ttl": 500,
}


async def test_confirmed_and_unacked_messages_are_there_after_a_restart(client: Client, side: Side) -> None:
    """Every confirmed, unacked message is in its queue again, in order; delivered ones are flagged."""
    channel = await client.channel(prefetch=4)
    queue = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await send(channel, "work", *"1234567")
    inbox = Inbox()
    await queue.consume(inbox)
    held = await inbox.holds(4)
    await held[0].ack()
    await inbox.holds(5)
    await client.close()
    await side.restart()

    channel = await client.channel()
    queue = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await holds_ready(channel, "work", 6)
    again = Inbox()
    await queue.consume(again, no_ack=True)
    got = await again.holds(6)
    assert again.bodies == ["2", "3", "4", "5", "6", "7"]
    assert [message.redelivered for message in got] == [True, True, True, True, False, False]


async def test_a_dead_letter_is_in_one_queue_after_a_restart(client: Client, side: Side) -> None:
    """A message that died before a restart stands in the dead-letter queue after it, and nowhere else."""
    channel = await client.channel()
    arguments = {**QUORUM, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    queue = await channel.declare_queue("work", durable=True, arguments=arguments)
    await channel.declare_queue("dead", durable=True, arguments=QUORUM)
    await send(channel, "work", "1")
    await holds_ready(channel, "work", 1)
    await (await queue.get()).reject(requeue=False)
    await holds_ready(channel, "dead", 1)
    await client.close()
    await side.restart()

    channel = await client.channel()
    await channel.declare_queue("work", durable=True, arguments=arguments)
    await channel.declare_queue("dead", durable=True, arguments=QUORUM)
    await holds_ready(channel, "dead", 1)
    await holds_ready(channel, "work", 0)


async def test_a_delay_runs_on_while_the_broker_is_down(client: Client, side: Side) -> None:
    """A message that waits in a retry tier when the broker restarts still comes back to its work queue."""
    channel = await client.channel()
    await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await channel.declare_queue("work.retry", durable=True, arguments=RETRY)
    await send(channel, "work.retry", "patient")
    await client.close()
    await side.restart()

    channel = await client.channel()
    queue = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await channel.declare_queue("work.retry", durable=True, arguments=RETRY)
    assert await drain(queue, 1) == ["patient"]


async def test_many_publishers_at_once_keep_each_one_s_order(client: Client, side: Side) -> None:
    """What many senders had confirmed at once is all there after a restart, each one's in order."""
    channel = await client.channel()
    await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await asyncio.gather(*(send(channel, "work", *(f"{s}.{n}" for n in range(20))) for s in range(8)))
    await client.close()
    await side.restart()

    channel = await client.channel()
    queue = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    bodies = await drain(queue, 160)
    for sender in range(8):
        assert [b for b in bodies if b.startswith(f"{sender}.")] == [f"{sender}.{n}" for n in range(20)]

"""Retry tiers and dead letters."""

from typing import Any, cast

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from tests.broker.conformance.sides import QUORUM, Client, Inbox, drain, holds_ready, send


def dead(to: str, **more: Any) -> dict[str, Any]:
    """Arguments of a quorum queue whose dead letters go to the queue `to`."""
    return {**QUORUM, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": to, **more}


def deaths(message: AbstractIncomingMessage) -> list[dict[str, Any]]:
    """The entries of x-death, the latest first."""
    return cast("list[dict[str, Any]]", message.headers["x-death"])


async def taken(channel: AbstractChannel, name: str) -> AbstractIncomingMessage:
    """The one message of a queue, once it is there; left unacked."""
    await holds_ready(channel, name, 1)
    return await (await channel.get_queue(name)).get()


async def test_rejected_message_stands_in_the_dead_letter_queue_with_its_story(client: Client) -> None:
    """A rejected message names its queue, reason, exchange, key and time in x-death and x-first-death-*."""
    channel = await client.channel()
    exchange = await channel.declare_exchange("payments", "direct", durable=True)
    queue = await channel.declare_queue("payments", durable=True, arguments=dead("payments.dead"))
    await queue.bind(exchange, "charge")
    await channel.declare_queue("payments.dead", durable=True, arguments=QUORUM)
    await send(channel, "charge", "poison", exchange="payments", headers={"mine": 1}, message_id="m-1")
    await (await taken(channel, "payments")).reject(requeue=False)
    message = await taken(channel, "payments.dead")
    assert (message.body, message.message_id, message.headers["mine"]) == (b"poison", "m-1", 1)
    death = dict(deaths(message)[0])
    assert death.pop("time").year >= 2020
    assert death == {
        "count": 1,
        "reason": "rejected",
        "queue": "payments",
        "exchange": "payments",
        "routing-keys": ["charge"],
    }
    assert message.headers["x-first-death-reason"] == "rejected"
    assert message.headers["x-first-death-queue"] == "payments"
    assert message.headers["x-first-death-exchange"] == "payments"
    assert (message.exchange, message.routing_key) == ("", "payments.dead")


async def test_retry_tier_holds_a_message_for_its_time_and_brings_it_back(client: Client) -> None:
    """A message in a fixed-TTL retry queue returns to the work queue, counted once for every round."""
    channel = await client.channel()
    work = await channel.declare_queue("mail", durable=True, arguments=dead("mail.retry"))
    await channel.declare_queue("mail.retry", durable=True, arguments=dead("mail", **{"x-message-ttl": 150}))
    await send(channel, "mail", "letter")
    for _ in range(2):
        await (await taken(channel, "mail")).reject(requeue=False)
    message = await taken(channel, "mail")
    counted = [(death["queue"], death["reason"], death["count"]) for death in deaths(message)]
    assert sorted(counted) == [("mail", "rejected", 2), ("mail.retry", "expired", 2)]
    assert message.headers["x-first-death-queue"] == "mail"
    await message.ack()
    assert await work.get(fail=False) is None


async def test_retry_queue_keeps_the_order(client: Client) -> None:
    """Messages that wait in one retry tier come back in the order in which they went in."""
    channel = await client.channel()
    work = await channel.declare_queue("work", durable=True, arguments=QUORUM)
    await channel.declare_queue("work.retry", durable=True, arguments=dead("work", **{"x-message-ttl": 200}))
    sent = [str(n) for n in range(20)]
    await send(channel, "work.retry", *sent)
    assert await drain(work, 20) == sent


async def test_message_expiration_counts_like_the_queue_s(client: Client) -> None:
    """A message's own expiration dead-letters it, and is kept in x-death rather than striking again."""
    channel = await client.channel()
    await channel.declare_queue("brief", durable=True, arguments=dead("late"))
    await channel.declare_queue("late", durable=True, arguments=QUORUM)
    await send(channel, "brief", "soon", expiration=0.1)
    message = await taken(channel, "late")
    assert message.expiration is None
    death = deaths(message)[0]
    assert (death["reason"], death["original-expiration"]) == ("expired", "100")


async def test_expired_message_is_never_delivered(client: Client) -> None:
    """A consumer that comes after the time to live finds nothing."""
    channel = await client.channel()
    queue = await channel.declare_queue("brief", durable=True, arguments={**QUORUM, "x-message-ttl": 50})
    await send(channel, "brief", "gone")
    await holds_ready(channel, "brief", 0)
    assert await queue.get(fail=False) is None


async def test_delivery_limit_sends_a_killer_to_the_undertaker(client: Client) -> None:
    """A message given back more often than x-delivery-limit is dead-lettered with reason delivery_limit."""
    channel = await client.channel(prefetch=1)
    arguments = dead("undertaker", **{"x-delivery-limit": 2})
    queue = await channel.declare_queue("work", durable=True, arguments=arguments)
    await channel.declare_queue("undertaker", durable=True, arguments=QUORUM)
    await send(channel, "work", "killer", "innocent")
    inbox = Inbox()
    await queue.consume(inbox)
    for attempt in (1, 2, 3):
        await (await inbox.holds(attempt))[-1].nack(requeue=True)
    await inbox.holds(4)
    assert inbox.bodies == ["killer", "killer", "killer", "innocent"]
    assert [m.headers.get("x-delivery-count") for m in inbox.messages] == [None, 1, 2, None]
    message = await taken(channel, "undertaker")
    assert deaths(message)[0]["reason"] == "delivery_limit"
    assert message.headers["x-first-death-reason"] == "delivery_limit"


async def test_dead_letter_exchange_gets_the_original_key_by_default(client: Client) -> None:
    """Without x-dead-letter-routing-key a dead letter keeps the key with which it was published."""
    channel = await client.channel()
    graveyard = await channel.declare_exchange("graveyard", "topic", durable=True)
    bin_ = await channel.declare_queue("bin", durable=True, arguments=QUORUM)
    await bin_.bind(graveyard, "work")
    arguments = {**QUORUM, "x-dead-letter-exchange": "graveyard"}
    await channel.declare_queue("work", durable=True, arguments=arguments)
    await send(channel, "work", "x")
    await (await taken(channel, "work")).reject(requeue=False)
    message = await taken(channel, "bin")
    assert (message.exchange, message.routing_key) == ("graveyard", "work")


async def test_oldest_messages_make_room_where_a_queue_drops_its_head(client: Client) -> None:
    """With x-max-length and the default overflow the newest stay; the oldest die with reason maxlen."""
    channel = await client.channel()
    arguments = dead("dropped", **{"x-max-length": 2})
    queue = await channel.declare_queue("latest", durable=True, arguments=arguments)
    await channel.declare_queue("dropped", durable=True, arguments=QUORUM)
    await send(channel, "latest", "1", "2", "3")
    message = await taken(channel, "dropped")
    assert (message.body, deaths(message)[0]["reason"]) == (b"1", "maxlen")
    assert await drain(queue, 2) == ["2", "3"]


async def test_reject_without_dead_letter_exchange_drops(client: Client) -> None:
    """Where no dead-letter exchange is set, a rejected message is gone."""
    channel = await client.channel()
    queue = await channel.declare_queue("plain", durable=True, arguments=QUORUM)
    await send(channel, "plain", "1")
    await (await taken(channel, "plain")).reject(requeue=False)
    await send(channel, "plain", "2")
    assert await drain(queue, 1) == ["2"]

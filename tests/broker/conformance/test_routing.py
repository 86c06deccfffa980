"""Where a message goes, and what a publisher hears about it."""

import pytest
from aio_pika import ExchangeType, Message
from aio_pika.abc import HeadersType
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError, PublishError

from tests.broker.conformance.sides import QUORUM, Client, drain, holds_ready, send


async def test_default_exchange_reaches_the_queue_of_that_name_in_order(client: Client) -> None:
    """A queue gives its messages out in the order in which they were confirmed."""
    channel = await client.channel()
    queue = await channel.declare_queue("orders", durable=True, arguments=QUORUM)
    sent = [str(n) for n in range(50)]
    await send(channel, "orders", *sent)
    assert await drain(queue, 50) == sent


async def test_direct_exchange_takes_only_the_bound_key(client: Client) -> None:
    """A direct exchange hands a message to the queues bound with its key, and no others."""
    channel = await client.channel()
    exchange = await channel.declare_exchange("carts", ExchangeType.DIRECT, durable=True)
    for key in ("carts.1", "carts.2"):
        await (await channel.declare_queue(key, durable=True, arguments=QUORUM)).bind(exchange, key)
    await send(channel, "carts.2", "two", exchange="carts")
    await holds_ready(channel, "carts.2", 1)
    await holds_ready(channel, "carts.1", 0)


@pytest.mark.parametrize(
    ("pattern", "taken", "passed"),
    [
        ("order.*.paid", ["order.1.paid"], ["order.paid", "order.1.2.paid"]),
        ("order.#", ["order", "order.1", "order.1.paid"], ["orders", "cart.1"]),
        ("#.paid", ["paid", "order.1.paid"], ["paid.order"]),
        ("#", ["", "a.b.c"], []),
    ],
)
async def test_topic_exchange_matches_words(
    client: Client, pattern: str, taken: list[str], passed: list[str]
) -> None:
    """In a topic binding `*` is one word and `#` is any number of words."""
    channel = await client.channel()
    exchange = await channel.declare_exchange("events", ExchangeType.TOPIC, durable=True)
    queue = await channel.declare_queue("listener", durable=True, arguments=QUORUM)
    await queue.bind(exchange, pattern)
    for key in taken:
        await send(channel, key, key, exchange="events")
    for key in passed:
        with pytest.raises(PublishError):
            await send(channel, key, key, exchange="events")
    assert await drain(queue, len(taken)) == taken


async def test_fanout_reaches_every_queue_once_also_through_another_exchange(client: Client) -> None:
    """A message goes to each bound queue once, however many ways lead there."""
    channel = await client.channel()
    outer = await channel.declare_exchange("outer", ExchangeType.FANOUT, durable=True)
    inner = await channel.declare_exchange("inner", ExchangeType.FANOUT, durable=True)
    await inner.bind(outer)
    first = await channel.declare_queue("first", durable=True, arguments=QUORUM)
    second = await channel.declare_queue("second", durable=True, arguments=QUORUM)
    await first.bind(outer, "")
    await first.bind(inner, "")
    await second.bind(inner, "")
    await send(channel, "any", "news", exchange="outer")
    await holds_ready(channel, "second", 1)
    await holds_ready(channel, "first", 1)


async def test_unbound_key_is_no_longer_routed(client: Client) -> None:
    """Unbinding takes a slot away at once."""
    channel = await client.channel()
    exchange = await channel.declare_exchange("slots", ExchangeType.DIRECT, durable=True)
    queue = await channel.declare_queue("partition", durable=True, arguments=QUORUM)
    await queue.bind(exchange, "slot.7")
    await send(channel, "slot.7", "before", exchange="slots")
    await queue.unbind(exchange, "slot.7")
    with pytest.raises(PublishError):
        await send(channel, "slot.7", "after", exchange="slots")


async def test_mandatory_message_without_a_queue_is_an_error_of_the_publisher(client: Client) -> None:
    """A mandatory message that no queue takes raises PublishError with its key; the channel stays usable."""
    channel = await client.channel()
    with pytest.raises(PublishError) as raised:
        await send(channel, "nobody", "lost?")
    assert raised.value.args == ("NO_ROUTE", "nobody")
    await channel.declare_queue("nobody", durable=True, arguments=QUORUM)
    await send(channel, "nobody", "found")


async def test_returned_message_reaches_the_callback_where_returns_do_not_raise(client: Client) -> None:
    """Without on_return_raises the message comes back through the channel's return callbacks."""
    channel = await client.channel(returns=False)
    returned: list[bytes] = []
    channel.return_callbacks.add(lambda _, message: returned.append(message.body))
    await send(channel, "nobody", "back")
    assert returned == [b"back"]


async def test_message_that_is_not_mandatory_may_vanish(client: Client) -> None:
    """A reply that nobody waits for any more is confirmed and dropped."""
    channel = await client.channel()
    confirmed = await channel.default_exchange.publish(Message(b"late"), "gone", mandatory=False)
    assert confirmed is not None
    assert confirmed.name == "Basic.Ack"


async def test_full_queue_nacks_the_publisher(client: Client) -> None:
    """Past x-max-length a queue with reject-publish refuses; emptied, it takes messages again."""
    channel = await client.channel()
    arguments = {**QUORUM, "x-max-length": 3, "x-overflow": "reject-publish"}
    queue = await channel.declare_queue("bounded", durable=True, arguments=arguments)
    with pytest.raises(DeliveryError):
        await send(channel, "bounded", *[str(n) for n in range(200)])
    # A quorum queue notices a little late, so a few more than its maximum may stand in it.
    await drain(queue, 3)
    while await queue.get(fail=False, no_ack=True) is not None:
        pass

    accepted = False
    while not accepted:
        try:
            await send(channel, "bounded", "fits")
            accepted = True
        except DeliveryError:
            continue
    await holds_ready(channel, "bounded", 1)


async def test_publish_to_a_missing_exchange_closes_the_channel(client: Client) -> None:
    """An exchange that is not there is an error, not a silence."""
    channel = await client.channel()
    with pytest.raises(ChannelNotFoundEntity):
        await send(channel, "any", "x", exchange="missing")


async def test_passive_declaration_of_what_is_missing_raises(client: Client) -> None:
    """Looking for a queue or an exchange that is not there raises ChannelNotFoundEntity."""
    with pytest.raises(ChannelNotFoundEntity):
        await (await client.channel()).declare_queue("missing", passive=True)
    with pytest.raises(ChannelNotFoundEntity):
        await (await client.channel()).declare_exchange("missing", passive=True)


async def test_declaring_otherwise_raises(client: Client) -> None:
    """A queue or exchange cannot be declared again as something else; the same again is fine."""
    channel = await client.channel()
    arguments = {**QUORUM, "x-delivery-limit": 3}
    await channel.declare_queue("fixed", durable=True, arguments=arguments)
    await channel.declare_queue("fixed", durable=True, arguments=arguments)
    await channel.declare_exchange("kind", ExchangeType.TOPIC, durable=True)
    with pytest.raises(ChannelPreconditionFailed):
        await (await client.channel()).declare_queue(
            "fixed", durable=True, arguments={**QUORUM, "x-message-ttl": 5}
        )
    with pytest.raises(ChannelPreconditionFailed):
        await (await client.channel()).declare_exchange("kind", ExchangeType.FANOUT, durable=True)


async def test_headers_travel_as_they_were_at_the_publish(client: Client) -> None:
    """Properties and headers arrive as sent; what the sender changes afterwards does not."""
    channel = await client.channel()
    queue = await channel.declare_queue("typed", durable=True, arguments=QUORUM)
    headers: HeadersType = {"text": "ä", "number": 7, "flag": True, "list": [1, "b"], "table": {"deep": None}}
    await channel.default_exchange.publish(
        Message(
            b"{}",
            headers=headers,
            content_type="application/json",
            correlation_id="c-1",
            message_id="m-1",
            reply_to="answers",
            type="AddItem",
            app_id="quire",
            delivery_mode=2,
        ),
        "typed",
    )
    headers["number"] = 8
    await holds_ready(channel, "typed", 1)
    message = await queue.get(no_ack=True)
    came = {key: value for key, value in message.headers.items() if key != "x-delivery-count"}
    assert came == {**headers, "number": 7}
    sent = ("application/json", "c-1", "m-1", "answers", "AddItem", "quire", "", "typed", False)
    assert sent == (
        message.content_type,
        message.correlation_id,
        message.message_id,
        message.reply_to,
        message.type,
        message.app_id,
        message.exchange,
        message.routing_key,
        message.redelivered,
    )


async def test_purge_and_delete_say_how_many_they_dropped(client: Client) -> None:
    """Purging empties a queue, deleting takes it down; both tell the number of messages."""
    channel = await client.channel()
    queue = await channel.declare_queue("full", durable=True, arguments=QUORUM)
    await send(channel, "full", "1", "2", "3")
    await holds_ready(channel, "full", 3)
    assert (await queue.purge()).message_count == 3
    await send(channel, "full", "4")
    await holds_ready(channel, "full", 1)
    assert (await queue.delete(if_unused=False, if_empty=False)).message_count == 1
    with pytest.raises(PublishError):
        await send(channel, "full", "5")

"""Publishing: the four ways in which it can fail, told apart, within a bound."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from broker import declare
from broker.connection import Endpoint, connect
from broker.embedded import EmbeddedServer
from broker.embedded.journal import Entry, MemoryJournal
from broker.publish import BrokerUnavailable, MessageTooLarge, OutcomeUnknown, Publisher, Unroutable
from broker.topology import EVENTS_EXCHANGE
from ops.servers import RabbitMQ
from tests.broker.house import House, until
from tests.broker.wire import Wire


@asynccontextmanager
async def publishing(endpoint: Endpoint, timeout_s: float = 5.0) -> AsyncIterator[Publisher]:
    """A publisher of its own."""
    publisher = Publisher(endpoint, name="publisher", timeout_s=timeout_s)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.close()


async def say(
    publisher: Publisher, queue: str, exchange: str = "", message_id: str = "m", size: int = 2
) -> None:
    """Publishes to a queue by its name."""
    await publisher.publish_body(
        b"x" * size, exchange, queue, message_id=message_id, type="T", correlation_id="c"
    )


async def test_a_start_that_fails_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would come back by itself, one more for each try."""
    broker = EmbeddedServer()
    await broker.start()
    publisher = Publisher(broker, name="one")

    async def fails(**_: bool) -> Any:
        raise ConnectionError("broke")

    monkeypatch.setattr(publisher, "_open", fails)
    with pytest.raises(ConnectionError):
        await publisher.start()
    assert publisher._connection is None
    assert broker.transports == []
    await broker.stop()


async def test_what_no_queue_takes_is_unroutable(house: House) -> None:
    """Named, although the broker acks it; and where nobody need take it, it is no error."""
    with pytest.raises(Unroutable, match="nowhere"):
        await say(house.publisher, "nowhere")
    await house.publisher.publish_body(
        b"{}", EVENTS_EXCHANGE, "BookChanged.1", message_id="m", type="T", correlation_id="c", mandatory=False
    )
    await say(house.publisher, "payments.dead")


async def test_an_exchange_that_is_not_there_is_told_and_the_publisher_recovers(house: House) -> None:
    """The broker closes the channel; the next publish finds a new one."""
    with pytest.raises((Unroutable, OutcomeUnknown, BrokerUnavailable)):
        await say(house.publisher, "x", exchange="quire.never")

    async def works() -> bool:
        try:
            await say(house.publisher, "payments.dead")
        except (OutcomeUnknown, BrokerUnavailable):
            return False
        return True

    await until(works, "the publisher to recover")


async def test_a_full_queue_is_unavailable_and_nothing_was_accepted(house: House) -> None:
    """reject-publish: what the broker refused it has not kept."""
    channel = await house.channel()
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    full = await channel.declare_queue("full", exclusive=True, arguments=arguments)
    await say(house.publisher, "full", message_id="first")
    with pytest.raises(BrokerUnavailable, match="full"):
        await say(house.publisher, "full", message_id="second")
    kept = await full.get()
    assert kept is not None
    assert kept.message_id == "first"
    assert await full.get(fail=False) is None


async def test_two_of_one_id_are_told_apart(house: House) -> None:
    """The relay may send what the worker sends: each learns what became of its own."""
    outcomes = await asyncio.gather(
        say(house.publisher, "nowhere", message_id="same"),
        say(house.publisher, "payments.dead", message_id="same"),
        say(house.publisher, "nowhere", message_id="same"),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Unroutable, type(None), Unroutable]


async def test_a_body_beyond_the_limit_never_leaves(house: House) -> None:
    """1 MiB; the connection is not disturbed."""
    with pytest.raises(MessageTooLarge):
        await say(house.publisher, "payments.dead", size=(1 << 20) + 1)
    await say(house.publisher, "payments.dead", size=1 << 20)


async def test_a_broker_that_is_gone_is_unavailable_at_once(house: House) -> None:
    """No waiting for a confirm that nobody can send; nothing was accepted."""
    if isinstance(house.endpoint, EmbeddedServer):
        await house.endpoint.stop()
        publisher = house.publisher
    else:
        wire = Wire(str(house.endpoint))
        await wire.mend()
        publisher = Publisher(wire.url, name="wired")
        await publisher.start()
        await wire.cut()

    async def noticed() -> bool:
        return not publisher.ready

    await until(noticed, "the loss to be noticed")
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await say(publisher, "payments.dead")
    assert time.monotonic() - began < 0.5
    await publisher.close()


async def test_a_publisher_comes_back_by_itself(rabbit_shop: str) -> None:
    """Cut in the middle of publishing: each is confirmed, unavailable or unknown, and then it works again."""
    wire = Wire(rabbit_shop)
    await wire.mend()
    async with publishing(wire.url, timeout_s=2.0) as publisher:
        confirmed, enough = 0, asyncio.Event()

        async def go_on(number: int) -> None:
            nonlocal confirmed
            while True:
                await say(publisher, "payments.dead", message_id=f"m{number}")
                confirmed += 1
                if confirmed > 300:
                    enough.set()

        sending = [asyncio.create_task(go_on(number)) for number in range(50)]
        await enough.wait()
        await wire.cut()
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {OutcomeUnknown, BrokerUnavailable}
        await wire.mend()

        async def ready() -> bool:
            return publisher.ready

        await until(ready, "the connection to come back")
        await say(publisher, "payments.dead")
    await wire.cut()


async def test_a_connection_that_broke_just_now_is_waited_for_within_the_limit(
    rabbit_shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the loss is noticed, aio-pika waits for its connection: not longer than a publish may take."""
    async with publishing(rabbit_shop, timeout_s=0.05) as publisher:
        monkeypatch.setattr(publisher._channel, "get_underlay_channel", asyncio.Event().wait)
        assert publisher.ready
        with pytest.raises(OutcomeUnknown, match=r"within 0\.05 s"):
            await say(publisher, "payments.dead")


async def test_an_alarm_is_known_before_anything_is_sent(rabbitmq: RabbitMQ, rabbit_shop: str) -> None:
    """Under a memory alarm RabbitMQ reads no publisher: refused at once and not accepted, until the alarm is over."""
    async with publishing(rabbit_shop) as publisher, alarmed(rabbitmq):

        async def known() -> bool:
            return publisher.refusing is not None

        await until(known, "the alarm to be noticed, with nothing published but the pulse")
        with pytest.raises(BrokerUnavailable, match="short of memory or disk"):
            await say(publisher, "payments.dead", message_id="refused")
        await rabbitmq.ctl("set_vm_memory_high_watermark", "0.9")

        async def works() -> bool:
            return publisher.refusing is None

        await until(works, "the publisher to hear of the end")
        await say(publisher, "payments.dead", message_id="after")


@asynccontextmanager
async def alarmed(rabbitmq: RabbitMQ) -> AsyncIterator[None]:
    """A memory alarm for as long as the block lasts."""
    before = await rabbitmq.ctl("eval", "vm_memory_monitor:get_vm_memory_high_watermark().")
    await rabbitmq.ctl("set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        await rabbitmq.ctl("set_vm_memory_high_watermark", before.strip())


async def silent_until(publisher: Publisher, release: Callable[[], None]) -> None:
    """Publishes to a broker that says nothing: unknown, then refused at once; and again once it is released."""
    with pytest.raises(OutcomeUnknown):
        await say(publisher, "payments.dead", message_id="sent")

    async def known() -> bool:
        return publisher.refusing == "the broker does not answer"

    await until(known, "the silence to be noticed")
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        await say(publisher, "payments.dead", message_id="refused")
    release()

    async def answers() -> bool:
        return publisher.refusing is None

    await until(answers, "the publisher to hear the broker again")
    await say(publisher, "payments.dead", message_id="after")


async def test_an_embedded_broker_whose_journal_went_silent_is_known() -> None:
    """What was sent is unknown within the limit, then everything is refused at once until the journal is back."""

    class Held(MemoryJournal):
        open = asyncio.Event()

        async def append(self, entries: Sequence[Entry]) -> None:
            await self.open.wait()
            await super().append(entries)

    journal = Held()
    server = EmbeddedServer(journal)
    await server.start()
    connection = await connect(server, name="topology")
    await declare.apply(connection)
    await connection.close()
    async with publishing(server, timeout_s=0.5) as publisher:
        await silent_until(publisher, journal.open.set)
    await server.stop()


async def test_a_broker_that_went_silent_is_known_and_what_it_had_is_unknown(rabbit_shop: str) -> None:
    """A connection that stands and says nothing: unknown within the limit for what was sent, then refused at once."""
    wire = Wire(rabbit_shop)
    await wire.mend()
    async with publishing(wire.url, timeout_s=0.5) as publisher:
        wire.hold()
        await silent_until(publisher, wire.release)
    await wire.cut()

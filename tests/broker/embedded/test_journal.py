"""The embedded broker's journal: what is confirmed is kept, what cannot be kept is not confirmed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aio_pika import Message
from aio_pika.abc import AbstractRobustChannel
from aio_pika.exceptions import ChannelPreconditionFailed, DeliveryError
from pymongo.asynchronous.database import AsyncDatabase

from broker.connection import connect
from broker.embedded import EmbeddedServer, Entry, Journal, JournalError, MemoryJournal, MongoJournal
from tests.broker.conformance.sides import Inbox, drain, eventually, send


@pytest.fixture(params=["memory", "mongodb"])
def journal(request: pytest.FixtureRequest) -> Journal:
    """Both journals hold to the same."""
    if request.param == "memory":
        return MemoryJournal()
    database: AsyncDatabase[dict[str, Any]] = request.getfixturevalue("mongo_database")
    return MongoJournal(database)


@asynccontextmanager
async def running(journal: Journal | None) -> AsyncIterator[tuple[EmbeddedServer, AbstractRobustChannel]]:
    """A server on a journal, and a channel on it."""
    server = EmbeddedServer(journal)
    await server.start()
    connection = await connect(server, name="test")
    channel = await connection.channel(on_return_raises=True)
    yield server, channel
    await connection.close()
    await server.stop()


async def crash(journal: Journal) -> EmbeddedServer:
    """A new server on a journal whose last server never stopped."""
    server = EmbeddedServer(journal)
    await server.start()
    return server


def entry(entry_id: int, **more: Any) -> Entry:
    """A message of queue `q`."""
    return Entry(id=entry_id, queue="q", exchange="", routing_key="q", properties=b"\0\0", body=b"x", **more)


async def test_journal_gives_back_what_it_was_given(journal: Journal) -> None:
    """Entries come back whole and by id; removed ones do not; removing an absent one is no error."""
    kept = entry(2, expires_at=1_900_000_000.5)
    await journal.append([entry(1), kept])
    await journal.append([entry(3)])
    await journal.remove([1, 3, 99])
    assert await journal.load() == [kept]


async def test_entries_up_to_the_mark_count_one_more_return_at_each_load(journal: Journal) -> None:
    """What was delivered before a crash has one return more; the rest none; marks count once."""
    await journal.append([entry(1), entry(2), entry(3)])
    await journal.mark({"q": 2})
    await journal.mark({"q": 1})
    assert [e.returns for e in await journal.load()] == [1, 1, 0]
    assert [e.returns for e in await journal.load()] == [1, 1, 0]


async def test_a_crash_within_a_move_leaves_one_copy(journal: Journal) -> None:
    """When the dead letter is kept and its original not removed yet, only the dead letter comes back."""
    await journal.append([entry(1), entry(2)])
    await journal.append([entry(3, moved_from=1)])
    assert [e.id for e in await journal.load()] == [2, 3]


async def test_confirmed_messages_survive_without_a_stop(journal: Journal) -> None:
    """A server that dies with messages ready and unacked leaves all of them to the next, in order."""
    async with running(journal) as (server, channel):
        await channel.set_qos(prefetch_count=2)
        queue = await channel.declare_queue("work", durable=True)
        await send(channel, "work", *"12345")
        inbox = Inbox()
        await queue.consume(inbox)
        await (await inbox.holds(2))[0].ack()
        await inbox.holds(3)

        async def tidied() -> bool:
            kept = {e.body for e in await journal.load()}
            return kept == {b"2", b"3", b"4", b"5"}

        await eventually(tidied, lambda: "the ack reached the journal")
        second = await crash(journal)
        assert [(q.name, q.ready) for q in second.overview()] == [("work", 4)]
        assert server.overview()[0].unacked == 2
        connection = await connect(second, name="after")
        again = await (await connection.channel()).declare_queue("work", durable=True)
        assert await drain(again, 4) == ["2", "3", "4", "5"]
        await connection.close()
        await second.stop()


async def test_messages_wait_for_their_queue_to_be_declared(journal: Journal) -> None:
    """What the journal kept for a queue that nobody declared yet stays, through further restarts."""
    async with running(journal) as (_, channel):
        await channel.declare_queue("later", durable=True)
        await send(channel, "later", "patient")
    async with running(journal) as (server, _):
        assert [(q.name, q.ready) for q in server.overview()] == [("later", 1)]
    async with running(journal) as (_, channel):
        assert await drain(await channel.declare_queue("later", durable=True), 1) == ["patient"]


async def test_transient_messages_and_passing_queues_stay_out_of_the_journal(journal: Journal) -> None:
    """Only persistent messages in durable queues, and all in quorum queues, are kept."""
    async with running(journal) as (_, channel):
        await channel.declare_queue("durable", durable=True)
        await channel.declare_queue("quorum", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.declare_queue("mine", exclusive=True)
        for queue in ("durable", "quorum", "mine"):
            await channel.default_exchange.publish(Message(b"transient", delivery_mode=1), queue)
        await send(channel, "mine", "persistent")
        await send(channel, "durable", "persistent")
        kept = [(e.queue, e.body) for e in await journal.load()]
        assert kept == [("quorum", b"transient"), ("durable", b"persistent")]


async def test_a_transient_message_does_not_overtake(journal: Journal) -> None:
    """A transient message published right behind a persistent one comes out behind it."""
    async with running(journal) as (_, channel):
        queue = await channel.declare_queue("mixed", durable=True)
        to = channel.default_exchange
        sends = [
            to.publish(Message(str(n).encode(), delivery_mode=2 if n % 2 == 0 else 1), "mixed")
            for n in range(10)
        ]
        await asyncio.gather(*sends)
        assert await drain(queue, 10) == [str(n) for n in range(10)]


async def test_a_body_too_large_for_the_journal_is_refused(journal: Journal) -> None:
    """A body above the journal's limit closes the channel, and the text names the limit."""
    async with running(journal) as (_, channel):
        await channel.declare_queue("work", durable=True)
        large = Message(bytes(journal.message_bytes_max + 1), delivery_mode=2)
        with pytest.raises(ChannelPreconditionFailed, match=str(journal.message_bytes_max)):
            await channel.default_exchange.publish(large, "work")
        assert await journal.load() == []


async def test_what_cannot_be_kept_is_nacked_and_never_delivered() -> None:
    """While the journal fails, publishers get DeliveryError and consumers get nothing."""
    journal = MemoryJournal()
    async with running(journal) as (server, channel):
        queue = await channel.declare_queue("work", durable=True)
        inbox = Inbox()
        await queue.consume(inbox)
        journal.failure = "disk full"
        with pytest.raises(DeliveryError):
            await send(channel, "work", "refused")
        journal.failure = None
        await send(channel, "work", "accepted")
        await inbox.holds(1)
        assert inbox.bodies == ["accepted"]
        assert server.overview()[0].ready == 0


async def test_confirms_of_many_publishers_share_writes() -> None:
    """A hundred concurrent publishes need a handful of journal writes."""
    journal = MemoryJournal()
    async with running(journal) as (_, channel):
        await channel.declare_queue("work", durable=True)
        await asyncio.gather(*(send(channel, "work", str(n)) for n in range(100)))
        assert sum(journal.groups) == 100
        assert len(journal.groups) <= 5


async def test_a_dead_letter_that_cannot_be_kept_is_not_lost() -> None:
    """While the journal fails a rejected message stays; once it works the dead letter arrives."""
    journal = MemoryJournal()
    async with running(journal) as (server, channel):
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
        queue = await channel.declare_queue("work", durable=True, arguments=arguments)
        dead = await channel.declare_queue("dead", durable=True)
        await send(channel, "work", "poison")
        message = await queue.get()
        journal.failure = "database away"
        await message.reject()

        async def moving() -> bool:
            return [q.ready for q in server.overview() if q.name == "work"] == [1]

        await eventually(moving, lambda: "the dead letter on its way")
        assert [e.queue for e in journal.entries.values()] == ["work"]
        journal.failure = None
        assert await drain(dead, 1) == ["poison"]


async def test_a_message_that_kills_at_once_comes_to_its_delivery_limit() -> None:
    """A process that dies on delivery, before it could write anything, still reaches the limit."""
    journal = MemoryJournal()
    arguments = {
        "x-delivery-limit": 2,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "undertaker",
    }
    async with running(journal) as (_, channel):
        await channel.declare_queue("work", durable=True, arguments=arguments)
        await send(channel, "work", "killer")
    deaths = 0
    left = []
    while any(e.queue == "work" for e in journal.entries.values()) and deaths < 10:
        server = await crash(journal)
        connection = await connect(server, name="victim")
        channel = await connection.channel()
        await channel.declare_queue("undertaker", durable=True)
        inbox = Inbox()
        await (await channel.declare_queue("work", durable=True, arguments=arguments)).consume(inbox)

        async def struck(inbox: Inbox = inbox) -> bool:
            return bool(inbox.messages) or all(e.queue == "undertaker" for e in journal.entries.values())

        await eventually(struck, lambda: "the message was delivered or buried")
        deaths += len(inbox.messages)
        left.append(connection)  # the process ends here: nothing is acked, nothing is stopped
    assert deaths == 3
    assert [e.queue for e in journal.entries.values()] == ["undertaker"]
    for connection in left:
        await connection.close()


async def test_a_journal_that_cannot_be_read_stops_the_start() -> None:
    """A server that cannot read its journal does not start: it would forget what was confirmed."""
    journal = MemoryJournal()
    journal.failure = "corrupt"
    server = EmbeddedServer(journal)
    with pytest.raises(JournalError, match="corrupt"):
        await server.start()
    assert not server.running


async def test_a_stop_in_the_middle_of_a_move_loses_nothing() -> None:
    """A server stopped while dead letters and publishes are on their way leaves each message in one queue."""
    journal = MemoryJournal()
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    async with running(journal) as (server, channel):
        queue = await channel.declare_queue("work", durable=True, arguments=arguments)
        await channel.declare_queue("dead", durable=True)
        await send(channel, "work", *"12345")
        for message in [await queue.get() for _ in range(5)]:
            await message.reject()
        late = asyncio.create_task(send(channel, "work", "late"))
        await asyncio.sleep(0)
        await server.stop()
        await asyncio.gather(late, return_exceptions=True)
    kept = sorted((e.queue, e.body) for e in await journal.load())
    assert [k for k in kept if k[0] == "dead"] == [("dead", str(n).encode()) for n in range(1, 6)]
    assert [k for k in kept if k[0] == "work"] in ([], [("work", b"late")])


async def test_a_deleted_queue_leaves_nothing_in_the_journal(journal: Journal) -> None:
    """Deleting a queue drops its messages for good, those that a consumer still holds too."""
    async with running(journal) as (_, channel):
        await channel.set_qos(prefetch_count=1)
        queue = await channel.declare_queue("work", durable=True)
        await send(channel, "work", *"123")
        inbox = Inbox()
        await queue.consume(inbox)
        await inbox.holds(1)
        await queue.delete(if_unused=False, if_empty=False)
    assert await journal.load() == []

"""What a broker holds, as far as somebody beside it can see: counts of queues, and the dead letters themselves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import quote, unquote, urlsplit

import aiormq.abc
import httpx
import msgspec
from aio_pika.abc import AbstractChannel, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelNotFoundEntity
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from broker.connection import connect
from broker.embedded.messages import decode_properties
from broker.ending import breaks_told
from broker.letters import HELD_MAX, Letter
from broker.letters.letter import letter_of
from broker.letters.reading import reader
from broker.messages import Envelope
from broker.topology import GROUPS, Group, queues

ANSWERS_WITHIN_S = 30  # time enough to come back from a restart
NO_CHANNEL = cast("aiormq.abc.AbstractChannel", None)  # a letter out of the journal came on none


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages of one queue. `unacked` is None where it cannot be seen (no management API)."""

    ready: int
    unacked: int | None = None

    @property
    def total(self) -> int:
        """All that can be seen."""
        return self.ready + (self.unacked or 0)


class BrokerLost(Exception):
    """The broker answered, and then no more."""


class Broker(Protocol):
    """A broker that is only looked at."""

    remark: str | None
    """What cannot be seen of it; None: nothing."""

    async def counts(self) -> dict[str, Waiting]:
        """How much waits, by queue. Raises `BrokerLost`."""

    def letters(self, group: Group) -> AsyncIterator[Letter]:
        """A group's dead letters, left where they are. Raises `LettersBusy`, `LettersUnavailable`."""

    def readable(self, group: Group) -> str | None:
        """Why a group's dead letters cannot be read; None: they can."""


class JournalQueues:
    """The embedded broker, read in its journal: what is persistent and not yet acked, delivered or not."""

    remark: str | None = None

    def __init__(
        self, database: AsyncDatabase[dict[str, Any]], session: AsyncClientSession | None = None
    ) -> None:
        self._messages = database["broker_messages"]
        self.session = session

    async def counts(self) -> dict[str, Waiting]:
        """See `Broker`."""
        counted = await self._messages.aggregate(
            [{"$group": {"_id": "$q", "n": {"$sum": 1}}}], session=self.session
        )
        found = {row["_id"]: Waiting(row["n"], 0) async for row in counted}
        return {spec.name: found.get(spec.name, Waiting(0, 0)) for spec in queues()}

    async def letters(self, group: Group) -> AsyncIterator[Letter]:
        """See `Broker`."""
        found = self._messages.find({"q": group.dead}, session=self.session).sort("_id", 1)
        async for row in found:
            body, properties = bytes(row["b"]), decode_properties(bytes(row["p"]))
            header = ContentHeader(body_size=len(body), properties=properties)
            yield letter_of(group, DeliveredMessage(Basic.GetOk(), header, body, channel=NO_CHANNEL))

    async def envelopes(self) -> AsyncIterator[tuple[str, Envelope]]:
        """What waits in queues other than dead letters', where it can be read, with its queue's name."""
        dead = [group.dead for group in GROUPS]
        async for row in self._messages.find(
            {"q": {"$nin": dead}}, {"q": 1, "b": 1}, session=self.session
        ).sort("_id", 1):
            try:
                yield row["q"], Envelope.from_bytes(bytes(row["b"]))
            except msgspec.DecodeError:
                continue  # its letter will tell

    def readable(self, group: Group) -> str | None:  # noqa: ARG002 - every queue is
        """See `Broker`."""
        return None


class RabbitQueues:
    """A RabbitMQ. Counts come from passive declarations, and unacked ones from the management API where it is known.

    Dead letters are read as broker/letters/reading.py does: held unacked, and back in their order afterwards.
    """

    def __init__(self, connection: AbstractRobustConnection, url: str, management_url: str | None) -> None:
        self._connection = connection
        self._url = url
        self._management_url = management_url
        self._counts: dict[str, Waiting] = {}
        self.remark: str | None = (
            None
            if management_url
            else "unacked messages cannot be seen: name the management API with --management"
        )

    async def counts(self) -> dict[str, Waiting]:
        """See `Broker`. A queue that is missing counts as empty: `quire topology check` names it."""
        unacked = await self._unacked()
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                with breaks_told():
                    self._counts = await self._counted(unacked)
        except CONNECTION_EXCEPTIONS as error:
            raise BrokerLost(f"the broker went away ({str(error) or 'no answer'})") from error
        return self._counts

    async def _counted(self, unacked: dict[str, int] | None) -> dict[str, Waiting]:
        counts = {}
        channel: AbstractChannel = await self._connection.channel()
        try:
            for spec in queues():
                try:
                    queue = await channel.declare_queue(spec.name, durable=True, passive=True)
                except ChannelNotFoundEntity:
                    channel = await self._again(channel)
                    ready = 0
                else:
                    ready = queue.declaration_result.message_count or 0
                counts[spec.name] = Waiting(ready, unacked.get(spec.name, 0) if unacked is not None else None)
        finally:
            await channel.close()
        return counts

    async def letters(self, group: Group) -> AsyncIterator[Letter]:
        """See `Broker`."""
        # On a connection of its own, which ends with it: so does the lock that keeps `quire dead` waiting.
        async with reader(self._url) as reading_on:
            await reading_on.lock(group)
            async with reading_on.read(group) as reading:
                self._counts[group.dead] = Waiting(reading.standing)
                letters = [held.letter for held in reading.held]
        for letter in letters:
            yield letter

    def readable(self, group: Group) -> str | None:
        """See `Broker`."""
        count = self._counts.get(group.dead, Waiting(0)).ready
        return f"{count} letters are too many to be read" if count > HELD_MAX else None

    async def close(self) -> None:
        """Lets go of it."""
        await self._connection.close()

    async def _again(self, channel: AbstractChannel) -> AbstractChannel:
        """Another channel for one that the broker closed."""
        if not channel.is_closed:
            await channel.close()
        return await self._connection.channel()

    async def _unacked(self) -> dict[str, int] | None:
        """Unacked messages by queue; None where nobody can tell."""
        if self._management_url is None:
            return None
        url = urlsplit(self._url.split(",", maxsplit=1)[0])
        vhost = quote(unquote(url.path[1:]) or "/", safe="")
        auth = (unquote(url.username or ""), unquote(url.password or ""))
        try:
            async with httpx.AsyncClient(base_url=self._management_url, auth=auth, timeout=30) as http:
                answer = await http.get(f"/api/queues/{vhost}")
            answer.raise_for_status()
            return {row["name"]: int(row.get("messages_unacknowledged", 0)) for row in answer.json()}
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error).partition("\n")[0] or type(error).__name__
        except (ValueError, TypeError, LookupError, AttributeError):
            why = "its answer is not that of RabbitMQ's management API"
        self.remark = f"unacked messages were not seen: {self._management_url} ({why})"
        return None


async def rabbit(url: str, management_url: str | None) -> RabbitQueues:
    """A RabbitMQ to look at. Raises what `broker.connection.connect` raises."""
    return RabbitQueues(await connect(url, name="quire check"), url, management_url)

"""Answers to those who wait: one queue for each edge process, transient, on its consuming connection.

Direct reply-to works only on the channel that published, so the edge has a queue of its own. A lost answer costs its
waiter a look at the receipt, nothing more.
"""

import asyncio
from typing import Any

import msgspec
import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel

log = structlog.get_logger(__name__)

QUEUE_LENGTH_MAX = 10_000  # answers; older ones make room


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended, as its receipt says. All those of a batch for one edge travel together, as MessagePack.

    `state` is the document that `resource` names, as it was committed (BSON): whoever waited need not read it.
    """

    group: str
    message_id: str
    status: str
    fingerprint: str = ""
    resource: str | None = None
    rev: int | None = None
    result: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    state: bytes | None = None


ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(list[Reply])


class NoAnswer(Exception):
    """This process stops: whoever waits should go."""


class Replies:
    """The answers that one process waits for. `queue` is where they are to be sent."""

    def __init__(self, name: str) -> None:
        self.queue = f"{name}.replies"
        self._waiting: dict[str, list[asyncio.Future[Reply]]] = {}
        self._ending = False

    def __len__(self) -> int:
        """How many wait."""
        return sum(len(futures) for futures in self._waiting.values())

    def end(self) -> None:
        """Sends everybody away who waits, and whoever will ask: a server that stops waits for its open answers."""
        self._ending = True
        for future in [each for futures in self._waiting.values() for each in futures if not each.done()]:
            _send_away(future)

    def expect(self, message_id: str) -> asyncio.Future[Reply]:
        """The answer to come for a message, or `NoAnswer`. Ask before publishing; cancel it to stop waiting."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._ending:
            _send_away(future)
            return future
        self._waiting.setdefault(message_id, []).append(future)
        future.add_done_callback(lambda done: self._forget(message_id, done))
        return future

    def resolve(self, reply: Reply) -> None:
        """Hands an answer to everybody who waits for it; one that nobody waits for is dropped."""
        for future in tuple(self._waiting.get(reply.message_id, ())):
            if not future.done():
                future.set_result(reply)

    async def consume(self, channel: AbstractRobustChannel) -> None:
        """Declares the queue on a channel and takes what comes, also after a reconnect."""
        queue = await channel.declare_queue(
            self.queue,
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": QUEUE_LENGTH_MAX, "x-overflow": "drop-head"},
        )
        await queue.consume(self._on_message, no_ack=True)

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        try:
            replies = DECODER.decode(message.body)
        except msgspec.DecodeError as error:
            log.warning("replies.unreadable", error=str(error))
            return
        for reply in replies:
            self.resolve(reply)

    def _forget(self, message_id: str, future: asyncio.Future[Reply]) -> None:
        futures = self._waiting.get(message_id, [])
        if future in futures:
            futures.remove(future)
        if not futures:
            self._waiting.pop(message_id, None)


def _send_away(future: asyncio.Future[Reply]) -> None:
    future.set_exception(NoAnswer)
    future.exception()  # that nobody waits for it yet is no reason for a warning

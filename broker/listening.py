"""The edge's consuming connection: apart from the publishing one, which RabbitMQ stops reading under an alarm."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from broker.connection import Endpoint, connect
from broker.ending import breaks_told

log = structlog.get_logger(__name__)

RETRY_S_MAX = 5.0


class Ear(Protocol):
    """Something that consumes from a queue of its own."""

    async def consume(self, channel: AbstractRobustChannel) -> None:
        """Declares its queue and consumes."""
        ...


class Listener:
    """Keeps a consuming connection for several ears. A broker that is away delays nothing and nobody but them."""

    def __init__(self, endpoint: Endpoint, *, name: str, ears: Sequence[Ear]) -> None:
        self._endpoint = endpoint
        self._name = f"{name}.listener"
        self._ears = tuple(ears)
        self._connection: AbstractRobustConnection | None = None
        self._hearing: set[object] = set()  # the channels that stand, with their queue and consumer
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connects in the background, for as long as it takes."""
        self._task = asyncio.create_task(self._connect(), name=self._name)

    async def close(self) -> None:
        """Stops listening; the broker drops the queues with the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        self._hearing.clear()

    @property
    def ready(self) -> bool:
        """Whether every ear hears."""
        return (
            self._connection is not None
            and self._connection.connected.is_set()
            and len(self._hearing) == len(self._ears)
        )

    async def _connect(self) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((*CONNECTION_EXCEPTIONS, AMQPError, TimeoutError)),
            wait=wait_random_exponential(multiplier=0.2, max=RETRY_S_MAX),
            before_sleep=lambda state: log.warning(
                "listener.not_connected", name=self._name, attempt=state.attempt_number
            ),
        ):
            with attempt, breaks_told():
                await self._open()

    async def _open(self) -> None:
        connection = await connect(self._endpoint, name=self._name)
        try:
            for ear in self._ears:
                channel = await connection.channel(publisher_confirms=False)
                assert isinstance(channel, AbstractRobustChannel)
                await ear.consume(channel)
                channel.close_callbacks.add(self._on_close)
                channel.reopen_callbacks.add(self._on_reopen)
                self._hearing.add(channel)
        except BaseException:
            await connection.close()
            self._hearing.clear()
            raise
        self._connection = connection

    def _on_close(self, channel: object, *_: object) -> None:
        self._hearing.discard(channel)

    def _on_reopen(self, channel: object, *_: object) -> None:
        """Its queue and its consumer are there again."""
        self._hearing.add(channel)

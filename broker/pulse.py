"""Whether the broker takes what is published now, known before anything is sent to it.

RabbitMQ tells a connection of an alarm (`connection.blocked`) only once that connection publishes, and a broker that
froze tells nothing at all. So a publisher's channel carries a pulse: once a second a message that no queue takes, whose
confirm costs no disk.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import AMQPError

from broker.ending import breaks_told

log = structlog.get_logger(__name__)

PULSE_EVERY_S = 1.0
STALLED_AFTER_S = 2.0
PULSE_KEY = "quire.pulse"  # on the default exchange: the name of a queue that is never declared
# What aio-pika and aiormq raise for a connection or channel that breaks; "closed" is a RuntimeError of theirs.
BROKEN = (AMQPError, ConnectionError, RuntimeError)


class Pulse:
    """The pulse of one publishing connection. `confirmed_at` gives the loop's time of the last confirm of any kind."""

    def __init__(
        self,
        connection: AbstractRobustConnection,
        channel: AbstractRobustChannel,
        confirmed_at: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._confirmed_at = confirmed_at
        self._beat_at: float | None = None  # when the pulse that has no confirm yet was sent

    @property
    def refusing(self) -> str | None:
        """Why nothing can be published now, in words; None where all is well."""
        connection, channel = self._connection, self._channel
        transport = connection.transport
        if connection.is_closed or not connection.connected.is_set() or transport is None:
            return "no connection to the broker"
        if not channel.is_initialized or channel.is_closed:
            return "no channel to the broker"
        if _would_wait(transport.connection.ready()):
            return "the broker takes no messages: it is short of memory or disk"
        if self._beat_at is not None:
            silent_since = max(self._beat_at, self._confirmed_at())
            if asyncio.get_running_loop().time() - silent_since > STALLED_AFTER_S:
                return "the broker does not answer"
        return None

    async def run(self) -> None:
        """Beats until cancelled."""
        while True:
            await asyncio.sleep(PULSE_EVERY_S)
            if self.refusing is None:
                await self._beat()

    async def _beat(self) -> None:
        """Sends one message and waits for its confirm, for as long as its connection stands."""
        self._beat_at = asyncio.get_running_loop().time()
        message = Message(b"", delivery_mode=DeliveryMode.NOT_PERSISTENT)
        try:
            with breaks_told():
                await self._channel.default_exchange.publish(message, PULSE_KEY, mandatory=False)
        except BROKEN as error:
            log.info("pulse.lost", error=repr(error))
        finally:
            self._beat_at = None


def _would_wait(ready: Coroutine[Any, Any, None]) -> bool:
    """Whether a coroutine would wait: aiormq tells of `connection.blocked` by a wait alone."""
    try:
        ready.send(None)
    except StopIteration:
        return False
    finally:
        ready.close()
    return True

"""Publishing: on a connection of its own, persistent, mandatory, confirmed, bounded in time.

An unroutable message is acked by the broker all the same, so the channel raises on returns; a publish has no time limit
of its own under a resource alarm, so one is put round it (both measured, see docs/decisions/0002).
"""

import asyncio
from typing import Any

import aiormq
import structlog
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import DeliveryError, PublishError
from pamqp import commands as spec

from broker.connection import Endpoint, connect
from broker.embedded.channel import EmbeddedChannel
from broker.ending import breaks_told
from broker.lane import Label, Lane
from broker.messages import Envelope
from broker.pulse import BROKEN, Pulse
from broker.telemetry import SILENT, Telemetry
from broker.topology import MESSAGE_BYTES_MAX

log = structlog.get_logger(__name__)

CONFIRM_TIMEOUT_S = 5.0
CLOSE_WITHIN_S = 2.0  # a broker that is frozen answers no goodbye


class BrokerUnavailable(Exception):
    """The broker is away, full or refuses: nothing was accepted, and sending again is safe."""


class OutcomeUnknown(Exception):
    """The message left, its confirm did not come: it may or may not be processed. The same id is safe to send again."""


class Unroutable(Exception):
    """No queue takes the message: the topology is not applied."""


class MessageTooLarge(Exception):
    """The body is larger than the broker's queues take."""


class Publisher:
    """Confirmed publishing to one broker.

    `publish` returns when the broker has the message (a majority of replicas; the embedded broker: its journal).
    Raises `BrokerUnavailable`, `OutcomeUnknown`, `Unroutable` or `MessageTooLarge`, within `timeout_s` plus scheduling.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        name: str,
        timeout_s: float = CONFIRM_TIMEOUT_S,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._endpoint = endpoint
        self._telemetry = telemetry
        self._name = name
        self._timeout_s = timeout_s
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractRobustChannel | None = None
        self._loose: AbstractRobustChannel | None = None
        self._under_way: dict[str, asyncio.Future[None]] = {}
        self._lane: Lane | None = None
        self._pulse: Pulse | None = None
        self._beating: asyncio.Task[None] | None = None
        self._confirmed_at = 0.0

    async def start(self) -> None:
        """Connects. Raises what aio-pika raises where the broker is not there."""
        self._connection = await connect(self._endpoint, name=self._name)
        try:
            self._channel = await self._open(publisher_confirms=True, on_return_raises=True)
            self._loose = await self._open(publisher_confirms=False, on_return_raises=False)
        except BaseException:
            await self.close()  # or it would connect again and again, beside that of the next try
            raise
        self._pulse = Pulse(self._connection, self._channel, lambda: self._confirmed_at)
        self._beating = asyncio.create_task(self._pulse.run(), name=f"{self._name}: pulse")

    async def _open(self, **options: bool) -> AbstractRobustChannel:
        assert self._connection is not None
        channel = await self._connection.channel(**options)
        assert isinstance(channel, AbstractRobustChannel)
        return channel

    async def close(self) -> None:
        """Closes the connection; confirms that are under way end as unknown."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        self._pulse = self._beating = None
        if self._connection is not None:
            try:
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await self._connection.close()
            except (*BROKEN, TimeoutError) as error:
                log.warning("publisher.closed_alone", name=self._name, error=repr(error))
        self._connection = None

    @property
    def refusing(self) -> str | None:
        """Why nothing can be published now (away, under an alarm, silent), in words; None where all is well."""
        return self._pulse.refusing if self._pulse is not None else "no connection to the broker"

    @property
    def ready(self) -> bool:
        """Whether the broker takes messages now, as far as can be told without sending one."""
        return self.refusing is None

    async def publish(
        self, envelope: Envelope, exchange: str, routing_key: str, *, reply_to: str | None = None
    ) -> None:
        """Publishes an envelope, confirmed."""
        await self.publish_body(
            envelope.to_bytes(),
            exchange,
            routing_key,
            message_id=envelope.id,
            type=envelope.type,
            correlation_id=envelope.correlation_id,
            reply_to=reply_to,
            headers={"traceparent": envelope.traceparent} if envelope.traceparent else None,
        )

    async def publish_body(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        *,
        message_id: str,
        type: str,  # noqa: A002 - the AMQP property's name
        correlation_id: str | None,
        reply_to: str | None = None,
        headers: dict[str, Any] | None = None,
        mandatory: bool = True,
        bytes_max: int | None = MESSAGE_BYTES_MAX,
    ) -> None:
        """Publishes a body as it is, confirmed. `bytes_max` None: for what was accepted already."""
        label = Label(message_id, type, correlation_id, reply_to, headers)
        what = f"{type} {message_id}"
        with self._telemetry.publishing(type, exchange or routing_key, headers):
            if bytes_max is not None and len(body) > bytes_max:
                raise MessageTooLarge(f"{what} has {len(body)} bytes, the limit is {bytes_max}")
            if (why := self.refusing) is not None:
                raise BrokerUnavailable(f"{why}: {what} was not sent")
            await self._confirmed(body, exchange, routing_key, label, mandatory, what)

    async def _confirmed(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        label: Label,
        mandatory: bool,
        what: str,
    ) -> None:
        """Publishes and waits for the confirm; `what` names the message in errors."""
        assert self._channel is not None
        alone = self._alone(self._channel, body, exchange, routing_key, label, mandatory)
        try:
            # Round all of it: a connection that broke just now is waited for, and so is an earlier publish of this id.
            async with asyncio.timeout(self._timeout_s):
                with breaks_told():
                    await alone
            self._confirmed_at = asyncio.get_running_loop().time()
        except PublishError as error:
            raise Unroutable(f"no queue takes {what} ({exchange} {routing_key})") from error
        except DeliveryError as error:
            raise BrokerUnavailable(f"the broker refused {what}: its queue is full") from error
        except TimeoutError as error:
            raise OutcomeUnknown(f"no confirm for {what} within {self._timeout_s} s") from error
        except BROKEN as error:
            raise OutcomeUnknown(f"the connection broke before {what} was confirmed") from error

    async def _alone(
        self,
        channel: AbstractRobustChannel,
        body: bytes,
        exchange: str,
        routing_key: str,
        label: Label,
        mandatory: bool,
    ) -> None:
        """One publish of an id at a time: aiormq tells returned messages apart by their id alone."""
        wire = await _wire(channel)
        while (earlier := self._under_way.get(label.message_id)) is not None:
            await asyncio.wait([earlier])
            wire = await _wire(channel)
        done = self._under_way[label.message_id] = asyncio.get_running_loop().create_future()
        try:
            if isinstance(wire, EmbeddedChannel):
                await wire.basic_publish(
                    body,
                    exchange=exchange,
                    routing_key=routing_key,
                    properties=label.properties(),
                    mandatory=mandatory,
                )
            else:
                await self._lane_on(wire).publish(body, exchange, routing_key, label, mandatory=mandatory)
        finally:
            del self._under_way[label.message_id]
            done.set_result(None)

    def _lane_on(self, wire: aiormq.Channel) -> Lane:
        """The lane of the connection that stands now."""
        if self._lane is None or self._lane.channel is not wire:
            self._lane = Lane(wire)
        return self._lane

    async def reply(self, queue: str, body: bytes) -> None:
        """Sends transient answers to whoever waits: unconfirmed, not mandatory; a lost one costs a look-up."""
        if not self.ready or self._loose is None:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                channel = await _wire(self._loose)
                properties = spec.Basic.Properties(content_type="application/vnd.msgpack")
                await channel.basic_publish(body, routing_key=queue, properties=properties, wait=False)
        except (*BROKEN, TimeoutError) as error:
            log.info("replies.lost", queue=queue, error=str(error))


async def _wire(channel: AbstractRobustChannel) -> aiormq.Channel:
    """The channel of the connection that stands now. Raises where there is none."""
    underlay = await channel.get_underlay_channel()
    assert isinstance(underlay, aiormq.Channel)
    return underlay

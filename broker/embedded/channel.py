"""aio-pika's channel, cut where it would write to the wire.

Everything above stays aiormq's and aio-pika's own: consumer tasks, closing, cancellation, restoring. Each
method that would send a frame asks the server in this process instead, and what the server sends on its own
account (Channel.Close, Basic.Cancel) arrives through the frame reader as if it came from a socket.
"""

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import aiormq
from aiormq.abc import ConfirmationFrameType, DeliveredMessage, TimeoutType
from aiormq.exceptions import ChannelInvalidStateError, DeliveryError, PublishError
from pamqp import commands as spec
from pamqp.base import Frame
from pamqp.header import ContentHeader

from broker.embedded.errors import RefusedError
from broker.embedded.messages import StoredMessage, decode_properties, encode_properties
from broker.embedded.methods import answer
from broker.embedded.session import Session
from broker.embedded.topology import REPLY_TO

if TYPE_CHECKING:
    from broker.embedded.transport import EmbeddedTransport

NO_ROUTE = 312
ROUTING_KEY_BYTES_MAX = 255


class EmbeddedChannel(aiormq.Channel):
    """One channel of an EmbeddedTransport. Raises what aiormq.Channel raises."""

    def __init__(
        self, connector: "EmbeddedTransport", number: int, *, publisher_confirms: bool, on_return_raises: bool
    ) -> None:
        super().__init__(
            connector, number, publisher_confirms=publisher_confirms, on_return_raises=on_return_raises
        )
        self._server = connector.server
        self._transport = connector
        self._session = Session(connector.server, connector, self._on_deliver, self._on_cancel)

    def release(self) -> None:
        """The broker forgets the channel: consumers end, unacked messages go back."""
        if self._transport.channels.get(self.number) is self:
            del self._transport.channels[self.number]
        self._session.close()

    async def rpc(self, frame: Frame, timeout: TimeoutType = None) -> Any:  # noqa: ARG002
        """Have the server answer at once; a refusal closes the channel, as on the wire."""
        if self.is_closed:
            raise ChannelInvalidStateError(f"{self!r} closed")
        try:
            return self._answer(frame)
        except RefusedError as refused:
            return await self._refuse(refused, frame)

    async def basic_publish(
        self,
        body: bytes,
        *,
        exchange: str = "",
        routing_key: str = "",
        properties: spec.Basic.Properties | None = None,
        mandatory: bool = False,
        immediate: bool = False,  # noqa: ARG002 - RabbitMQ has not had it since 3.0
        timeout: TimeoutType = None,
        wait: bool = True,  # noqa: ARG002
    ) -> Any:
        """Publish; waits until the broker has it. Raises DeliveryError (nacked), PublishError (returned)."""
        if len(routing_key.encode()) > ROUTING_KEY_BYTES_MAX:
            raise ValueError("Routing key too long (max 255 bytes)")
        if self.is_closed:
            raise ChannelInvalidStateError(f"{self!r} closed")
        properties = properties or spec.Basic.Properties(delivery_mode=1)
        properties.message_id = properties.message_id or uuid.uuid4().hex
        self.delivery_tag += 1
        confirmation = self.create_future() if self.publisher_confirms else None
        frame = spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory)
        try:
            routed = self._send(frame, properties, body, self.delivery_tag, confirmation)
        except RefusedError as refused:
            return await self._refuse(refused, frame)
        if not routed:
            self._return(frame, properties, body, self.delivery_tag, confirmation)
        if confirmation is None:
            return None
        async with self._raise_on_channel_close(), asyncio.timeout(timeout):
            if confirmation.done():
                # A publisher in a loop lets consumers have their turn, as a socket would.
                await asyncio.sleep(0)
            return await confirmation

    async def basic_ack(
        self,
        delivery_tag: int,
        multiple: bool = False,
        wait: bool = True,  # noqa: ARG002
    ) -> None:
        """Settle deliveries for good."""
        self._check_open()
        try:
            self._session.ack(delivery_tag, multiple=multiple)
        except RefusedError as refused:
            self._close(refused, spec.Basic.Ack)

    async def basic_nack(
        self,
        delivery_tag: int,
        multiple: bool = False,
        requeue: bool = True,
        wait: bool = True,  # noqa: ARG002
    ) -> None:
        """Give deliveries back, or have them dead-lettered."""
        self._check_open()
        try:
            self._session.nack(delivery_tag, multiple=multiple, requeue=requeue)
        except RefusedError as refused:
            self._close(refused, spec.Basic.Nack)

    async def basic_reject(self, delivery_tag: int, *, requeue: bool = True, wait: bool = True) -> None:
        """Give one delivery back, or have it dead-lettered."""
        await self.basic_nack(delivery_tag, requeue=requeue, wait=wait)

    async def basic_get(
        self,
        queue: str = "",
        no_ack: bool = False,
        timeout: TimeoutType = None,  # noqa: ARG002
    ) -> DeliveredMessage:
        """The head of a queue, or a message whose delivery is a Basic.GetEmpty."""
        self._check_open()
        try:
            found = self._session.get(queue, no_ack=no_ack)
        except RefusedError as refused:
            await self._refuse(refused, spec.Basic.Get(queue=queue))
            raise
        if found is None:
            return DeliveredMessage(
                delivery=spec.Basic.GetEmpty(), header=ContentHeader(), body=b"", channel=self
            )
        tag, message, left = found
        return self._delivered(
            spec.Basic.GetOk(tag, message.returns > 0, message.exchange, message.routing_key, left), message
        )

    def _send(
        self,
        frame: spec.Basic.Publish,
        properties: spec.Basic.Properties,
        body: bytes,
        tag: int,
        confirmation: asyncio.Future[ConfirmationFrameType] | None,
    ) -> bool:
        """Hand the message over; True when a queue takes it. Fulfils `confirmation` when it is settled."""

        def settled(refusal: str | None) -> None:
            if confirmation is None or confirmation.done():
                return
            if refusal is None:
                confirmation.set_result(spec.Basic.Ack(tag))
            else:
                confirmation.set_exception(DeliveryError(None, spec.Basic.Nack(tag)))

        if properties.reply_to == REPLY_TO:
            properties.reply_to = self._session.reply_address()
        if not frame.exchange and frame.routing_key.startswith(REPLY_TO):
            receive = self._server.reply_receivers.get(frame.routing_key)
            if receive is None:
                return False
            receive(StoredMessage(0, "", frame.routing_key, encode_properties(properties), body))
            settled(None)
            return True
        return self._server.publish(frame.exchange, frame.routing_key, properties, body, settled)

    def _return(
        self,
        frame: spec.Basic.Publish,
        properties: spec.Basic.Properties,
        body: bytes,
        tag: int,
        confirmation: asyncio.Future[Any] | None,
    ) -> None:
        """No queue took the message: it is returned where it was mandatory, and confirmed all the same."""
        if confirmation is None:
            return
        if not frame.mandatory:

            def acked() -> None:
                if not confirmation.done():
                    confirmation.set_result(spec.Basic.Ack(tag))

            self._server.in_turn(acked)
            return
        back = spec.Basic.Return(NO_ROUTE, "NO_ROUTE", frame.exchange, frame.routing_key)
        message = DeliveredMessage(
            delivery=back,
            header=ContentHeader(properties=properties, body_size=len(body)),
            body=body,
            channel=self,
        )
        if self.on_return_raises:
            confirmation.set_exception(PublishError(message, back))
            return
        for callback in self.on_return_callbacks:
            callback(message)
        confirmation.set_result(message)

    def _on_deliver(self, consumer_tag: str, delivery_tag: int, message: StoredMessage) -> None:
        callback = self.consumers.get(consumer_tag)
        if callback is None:
            return
        delivery = spec.Basic.Deliver(
            consumer_tag, delivery_tag, message.returns > 0, message.exchange, message.routing_key
        )
        task = self.create_task(callback(self._delivered(delivery, message)))
        task.add_done_callback(self._on_consumer_done)

    def _on_cancel(self, consumer_tag: str) -> None:
        self.frames.put_nowait((0, spec.Basic.Cancel(consumer_tag, nowait=True)))

    def _delivered(
        self, delivery: spec.Basic.Deliver | spec.Basic.GetOk, message: StoredMessage
    ) -> DeliveredMessage:
        properties = decode_properties(message.properties)
        if message.returns:
            properties.headers = {**(properties.headers or {}), "x-delivery-count": message.returns}
        header = ContentHeader(properties=properties, body_size=len(message.body))
        return DeliveredMessage(delivery=delivery, header=header, body=message.body, channel=self)

    def _answer(self, frame: Frame) -> Frame:
        if isinstance(frame, spec.Channel.Close):
            self.release()
            self.frames.put_nowait((0, spec.Channel.CloseOk()))
            return spec.Channel.CloseOk()
        if isinstance(frame, spec.Basic.Cancel) and frame.consumer_tag is not None:
            self.consumers.pop(frame.consumer_tag, None)
        return answer(frame, self._session, self._transport)

    def _check_open(self) -> None:
        if self.is_closed:
            raise ChannelInvalidStateError(f"{self!r} closed")

    def _close(self, refused: RefusedError, frame: type[Frame]) -> None:
        self.release()
        class_id, method_id = divmod(frame.index, 1 << 16)
        self.frames.put_nowait((0, spec.Channel.Close(refused.code, refused.text, class_id, method_id)))

    async def _refuse(self, refused: RefusedError, frame: Frame) -> Any:
        answer = self.create_future()  # closing the channel fails every future of it, this one too
        self._close(refused, type(frame))
        return await answer

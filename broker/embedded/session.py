"""The broker's side of one channel: consumers, what they hold, and what they say about it."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from broker.embedded.errors import RefusedError, precondition_failed
from broker.embedded.messages import StoredMessage
from broker.embedded.queues import Consumer, MessageQueue
from broker.embedded.server import EmbeddedServer
from broker.embedded.topology import REPLY_TO


@dataclass(slots=True, eq=False)
class Delivery:
    """One message on its way. `consumer` is None for a basic.get."""

    queue: MessageQueue
    message: StoredMessage
    consumer: Consumer | None


class Session:
    """One channel; `deliver_to(consumer tag, delivery tag, message)` and `cancel_at(tag)` are the client."""

    def __init__(
        self,
        server: EmbeddedServer,
        connection: object,
        deliver_to: Callable[[str, int, StoredMessage], None],
        cancel_at: Callable[[str], None],
    ) -> None:
        self._server = server
        self._connection = connection
        self._deliver_to = deliver_to
        self._cancel_at = cancel_at
        self._unacked: dict[int, Delivery] = {}
        self._consumers: dict[str, tuple[Consumer, MessageQueue]] = {}
        self._tag = 0
        self._reply_to: tuple[str, str] | None = None
        self.prefetch = 0

    def consume(self, queue_name: str, tag: str, *, no_ack: bool, exclusive: bool) -> None:
        """Basic.Consume."""
        if queue_name == REPLY_TO:
            self._consume_replies(tag, no_ack=no_ack)
            return
        queue = self._server.topology.queue(queue_name, self._connection)
        if any(c.exclusive for c in queue.consumers) or (exclusive and queue.consumers):
            raise RefusedError(403, f"ACCESS_REFUSED - queue '{queue_name}' in vhost '/' in exclusive use")
        consumer = Consumer(tag, self, self.prefetch, no_ack, exclusive)
        self._consumers[tag] = (consumer, queue)
        queue.add_consumer(consumer)
        queue.pump()

    def cancel(self, tag: str) -> None:
        """Basic.Cancel; what the consumer holds stays with the channel."""
        if self._reply_to is not None and self._reply_to[0] == tag:
            self._forget_replies()
        consumer, queue = self._consumers.pop(tag, (None, None))
        if consumer is not None and queue is not None:
            self._leave(queue, consumer)
            queue.pump()

    def get(self, queue_name: str, *, no_ack: bool) -> tuple[int, StoredMessage, int] | None:
        """Basic.Get: delivery tag, message, and how many are left; None where there is none."""
        queue = self._server.topology.queue(queue_name, self._connection)
        message = queue.get()
        if message is None:
            return None
        return self._hand_out(queue, message, None, no_ack=no_ack), message, queue.waiting

    def deliver(self, consumer: Consumer, queue: MessageQueue, message: StoredMessage) -> None:
        """The queue hands over a message."""
        tag = self._hand_out(queue, message, consumer, no_ack=consumer.no_ack)
        self._deliver_to(consumer.tag, tag, message)

    def cancelled(self, consumer: Consumer) -> None:
        """The queue was deleted under its consumer."""
        self._consumers.pop(consumer.tag, None)
        self._cancel_at(consumer.tag)

    def ack(self, tag: int, *, multiple: bool) -> None:
        """Basic.Ack."""
        settled = self._settle(tag, multiple=multiple)
        for delivery in settled:
            self._server.forget(delivery.message)
        _pump(settled)

    def nack(self, tag: int, *, multiple: bool, requeue: bool) -> None:
        """Basic.Nack and Basic.Reject: back to the queue, or to its dead-letter exchange."""
        settled = self._settle(tag, multiple=multiple)
        if requeue:
            self._give_back(settled)
        else:
            for delivery in settled:
                self._server.bury(delivery.queue, delivery.message, "rejected")
        _pump(settled)

    def recover(self) -> None:
        """Basic.Recover: everything unacked goes back."""
        settled = self._settle(0, multiple=True)
        self._give_back(settled)
        _pump(settled)

    def close(self) -> None:
        """The channel is gone: its consumers first, then what they held, in its old order."""
        self._forget_replies()
        left = [queue for _, queue in self._consumers.values()]
        for consumer, queue in tuple(self._consumers.values()):
            self._leave(queue, consumer)
        self._consumers.clear()
        settled = self._settle(0, multiple=True)
        self._give_back(settled)
        for queue in dict.fromkeys([*left, *(delivery.queue for delivery in settled)]):
            queue.pump()

    def reply_address(self) -> str:
        """Where replies to this channel's requests go: the routing key on the default exchange."""
        if self._reply_to is None:
            raise precondition_failed(
                "fast reply consumer does not exist: consume from " + REPLY_TO + " first"
            )
        return self._reply_to[1]

    def _consume_replies(self, tag: str, *, no_ack: bool) -> None:
        if not no_ack:
            raise precondition_failed("reply consumer cannot acknowledge")
        if self._reply_to is not None:
            raise precondition_failed("reply consumer already set")
        address = f"{REPLY_TO}.{uuid.uuid4().hex}"
        self._reply_to = (tag, address)

        def receive(message: StoredMessage) -> None:
            self._tag += 1
            self._deliver_to(tag, self._tag, message)

        self._server.reply_receivers[address] = receive

    def _forget_replies(self) -> None:
        if self._reply_to is not None:
            self._server.reply_receivers.pop(self._reply_to[1], None)
            self._reply_to = None

    def _hand_out(
        self, queue: MessageQueue, message: StoredMessage, consumer: Consumer | None, *, no_ack: bool
    ) -> int:
        self._tag += 1
        if no_ack:
            self._server.forget(message)
            return self._tag
        self._unacked[self._tag] = Delivery(queue, message, consumer)
        queue.unacked += 1
        if consumer is not None:
            consumer.unacked += 1
        return self._tag

    def _settle(self, tag: int, *, multiple: bool) -> list[Delivery]:
        """Take deliveries off the books, in the order in which they were made."""
        if multiple:
            # Tags only grow, and a dict keeps the order of insertion: the first ones are the oldest.
            tags = list(self._unacked) if tag == 0 else []
            if tag:
                for held in self._unacked:
                    if held > tag:
                        break
                    tags.append(held)
        else:
            tags = [tag] if tag in self._unacked else []
        if not tags and (tag or not multiple):
            raise precondition_failed(f"unknown delivery tag {tag}")
        settled = [self._unacked.pop(held) for held in tags]
        for delivery in settled:
            delivery.queue.unacked -= 1
            if delivery.consumer is not None:
                delivery.consumer.unacked -= 1
        return settled

    def _give_back(self, settled: list[Delivery]) -> None:
        for delivery in settled:
            if delivery.queue.deleted:
                self._server.forget(delivery.message)
            else:
                delivery.queue.give_back((delivery.message,))

    def _leave(self, queue: MessageQueue, consumer: Consumer) -> None:
        queue.remove_consumer(consumer)
        if queue.declaration.auto_delete and not queue.consumers and not queue.deleted:
            self._server.topology.remove_queue(queue)


def _pump(settled: list[Delivery]) -> None:
    queues = {id(delivery.queue): delivery.queue for delivery in settled}
    for queue in queues.values():
        queue.pump()

"""AMQP's methods, each with what the server does about it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pamqp import commands as spec
from pamqp.base import Frame

from broker.embedded.errors import RefusedError, precondition_failed
from broker.embedded.exchanges import Target
from broker.embedded.queues import Declaration
from broker.embedded.session import Session
from broker.embedded.topology import REPLY_TO

if TYPE_CHECKING:
    from broker.embedded.transport import EmbeddedTransport

Method = Callable[[Any, Session, "EmbeddedTransport"], Frame]


def answer(frame: Frame, session: Session, transport: "EmbeddedTransport") -> Frame:
    """Do what `frame` asks for; returns the answer. Raises RefusedError when the channel must close."""
    method = METHODS.get(type(frame))
    if method is None:
        raise RefusedError(540, f"NOT_IMPLEMENTED - {frame.name} on the embedded broker")
    return method(frame, session, transport)


def _consume(frame: spec.Basic.Consume, session: Session, _: "EmbeddedTransport") -> Frame:
    tag = frame.consumer_tag or ""
    session.consume(frame.queue, tag, no_ack=frame.no_ack, exclusive=frame.exclusive)
    return spec.Basic.ConsumeOk(tag)


def _cancel(frame: spec.Basic.Cancel, session: Session, _: "EmbeddedTransport") -> Frame:
    tag = frame.consumer_tag or ""
    session.cancel(tag)
    return spec.Basic.CancelOk(tag)


def _qos(frame: spec.Basic.Qos, session: Session, _: "EmbeddedTransport") -> Frame:
    if frame.global_:
        # Quorum queues refuse it too: https://www.rabbitmq.com/docs/quorum-queues#global-qos
        raise RefusedError(540, "NOT_IMPLEMENTED - prefetch is per consumer: set_qos(..., global_=False)")
    session.prefetch = frame.prefetch_count
    return spec.Basic.QosOk()


def _recover(_: spec.Basic.Recover, session: Session, __: "EmbeddedTransport") -> Frame:
    session.recover()
    return spec.Basic.RecoverOk()


def _declare_queue(frame: spec.Queue.Declare, _: Session, transport: "EmbeddedTransport") -> Frame:
    if frame.queue == REPLY_TO:
        return spec.Queue.DeclareOk(REPLY_TO, 0, 0)
    declaration = Declaration(
        name=frame.queue,
        durable=frame.durable,
        auto_delete=frame.auto_delete,
        owner=transport if frame.exclusive else None,
        arguments=_arguments(frame.arguments),
    )
    queue = transport.server.declare_queue(declaration, transport, passive=frame.passive)
    return spec.Queue.DeclareOk(queue.name, queue.waiting, len(queue.consumers))


def _bind_queue(frame: spec.Queue.Bind, _: Session, transport: "EmbeddedTransport") -> Frame:
    topology = transport.server.topology
    topology.queue(frame.queue, transport)
    topology.bind(frame.exchange, Target("queue", frame.queue), frame.routing_key)
    return spec.Queue.BindOk()


def _unbind_queue(frame: spec.Queue.Unbind, _: Session, transport: "EmbeddedTransport") -> Frame:
    topology = transport.server.topology
    topology.queue(frame.queue, transport)
    topology.unbind(frame.exchange, Target("queue", frame.queue), frame.routing_key)
    return spec.Queue.UnbindOk()


def _purge(frame: spec.Queue.Purge, _: Session, transport: "EmbeddedTransport") -> Frame:
    return spec.Queue.PurgeOk(transport.server.topology.queue(frame.queue, transport).purge())


def _delete_queue(frame: spec.Queue.Delete, _: Session, transport: "EmbeddedTransport") -> Frame:
    topology = transport.server.topology
    if frame.queue not in topology.queues:
        return spec.Queue.DeleteOk(0)
    queue = topology.queue(frame.queue, transport)
    if frame.if_unused and queue.consumers:
        raise precondition_failed(f"queue '{queue.name}' in vhost '/' in use")
    if frame.if_empty and queue.waiting:
        raise precondition_failed(f"queue '{queue.name}' in vhost '/' is not empty")
    return spec.Queue.DeleteOk(topology.remove_queue(queue))


def _declare_exchange(frame: spec.Exchange.Declare, _: Session, transport: "EmbeddedTransport") -> Frame:
    transport.server.topology.declare_exchange(
        frame.exchange,
        frame.exchange_type,
        passive=frame.passive,
        durable=frame.durable,
        auto_delete=frame.auto_delete,
        internal=frame.internal,
        arguments=_arguments(frame.arguments),
    )
    return spec.Exchange.DeclareOk()


def _delete_exchange(frame: spec.Exchange.Delete, _: Session, transport: "EmbeddedTransport") -> Frame:
    transport.server.topology.delete_exchange(frame.exchange, if_unused=frame.if_unused)
    return spec.Exchange.DeleteOk()


def _bind_exchange(frame: spec.Exchange.Bind, _: Session, transport: "EmbeddedTransport") -> Frame:
    target = Target("exchange", frame.destination)
    transport.server.topology.bind(frame.source, target, frame.routing_key)
    return spec.Exchange.BindOk()


def _unbind_exchange(frame: spec.Exchange.Unbind, _: Session, transport: "EmbeddedTransport") -> Frame:
    target = Target("exchange", frame.destination)
    transport.server.topology.unbind(frame.source, target, frame.routing_key)
    return spec.Exchange.UnbindOk()


def _arguments(given: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(given or {})


METHODS: dict[type[Frame], Method] = {
    spec.Basic.Consume: _consume,
    spec.Basic.Cancel: _cancel,
    spec.Basic.Qos: _qos,
    spec.Basic.Recover: _recover,
    spec.Basic.RecoverAsync: _recover,
    spec.Queue.Declare: _declare_queue,
    spec.Queue.Bind: _bind_queue,
    spec.Queue.Unbind: _unbind_queue,
    spec.Queue.Purge: _purge,
    spec.Queue.Delete: _delete_queue,
    spec.Exchange.Declare: _declare_exchange,
    spec.Exchange.Delete: _delete_exchange,
    spec.Exchange.Bind: _bind_exchange,
    spec.Exchange.Unbind: _unbind_exchange,
    spec.Channel.Open: lambda *_: spec.Channel.OpenOk(),
    spec.Channel.Flow: lambda frame, *_: spec.Channel.FlowOk(frame.active),
    spec.Confirm.Select: lambda *_: spec.Confirm.SelectOk(),
}

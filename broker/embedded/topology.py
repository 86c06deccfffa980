"""What stands on the embedded broker, and the rules for declaring, binding and deleting it."""

import uuid
from typing import Any

from broker.embedded.errors import RefusedError, locked, not_found, precondition_failed
from broker.embedded.exchanges import TYPES, Exchange, ExchangeType, Target
from broker.embedded.queues import Declaration, Keeper, MessageQueue

# Where each client finds its replies without a queue of its own:
# https://www.rabbitmq.com/docs/direct-reply-to
REPLY_TO = "amq.rabbitmq.reply-to"
ROUTES_CACHED_MAX = 20_000


class Topology:
    """Exchanges, queues, bindings. Raises RefusedError in RabbitMQ's words."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self.queues: dict[str, MessageQueue] = {}
        self.exchanges: dict[str, Exchange] = {
            "amq.direct": Exchange("amq.direct", "direct", durable=True),
            "amq.fanout": Exchange("amq.fanout", "fanout", durable=True),
            "amq.topic": Exchange("amq.topic", "topic", durable=True),
        }
        self._routes: dict[tuple[str, str], tuple[MessageQueue, ...]] = {}

    def declare_exchange(
        self,
        name: str,
        exchange_type: str,
        *,
        passive: bool,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: dict[str, Any],
    ) -> None:
        """Exchange.Declare."""
        found = self.exchanges.get(name)
        if passive or name == "":
            if found is None and name != "":
                raise not_found("exchange", name)
            return
        if found is None:
            _check_name("exchange", name)
            kind = _exchange_type(exchange_type)
            self.exchanges[name] = Exchange(name, kind, durable, auto_delete, internal, arguments)
            self._routes.clear()
            return
        wanted = {"type": exchange_type, "durable": durable, "auto_delete": auto_delete, "internal": internal}
        for argument, value in wanted.items():
            _same("exchange", name, argument, value, getattr(found, argument))
        _same("exchange", name, "arguments", arguments, found.arguments)

    def delete_exchange(self, name: str, *, if_unused: bool) -> None:
        """Exchange.Delete; an absent one is no error."""
        exchange = self.exchanges.get(name)
        if exchange is None:
            return
        if name.startswith("amq.") or name == "":
            raise RefusedError(
                403, f"ACCESS_REFUSED - exchange name '{name}' contains reserved prefix 'amq.*'"
            )
        if if_unused and exchange.bindings:
            raise precondition_failed(f"exchange '{name}' in vhost '/' in use")
        del self.exchanges[name]
        self._forget(Target("exchange", name))

    def declare_queue(self, declaration: Declaration, connection: object, *, passive: bool) -> MessageQueue:
        """Queue.Declare. An empty name gets one from the broker."""
        found = self.queues.get(declaration.name)
        if found is None and passive:
            raise not_found("queue", declaration.name)
        if found is not None:
            self._check_owner(found, connection)
            found.touch()
            if not passive:
                for argument in ("durable", "auto_delete"):
                    wanted, current = getattr(declaration, argument), getattr(found.declaration, argument)
                    _same("queue", found.name, argument, wanted, current)
                if (declaration.owner is None) != (found.declaration.owner is None):
                    raise locked(found.name)
                _same("queue", found.name, "arguments", declaration.arguments, found.declaration.arguments)
            return found
        if declaration.name:
            _check_name("queue", declaration.name)
        else:
            declaration = Declaration(
                f"amq.gen-{uuid.uuid4().hex}",
                declaration.durable,
                declaration.auto_delete,
                declaration.owner,
                declaration.arguments,
            )
        queue = self.queues[declaration.name] = MessageQueue(declaration, self._keeper)
        self._routes.clear()
        return queue

    def queue(self, name: str, connection: object) -> MessageQueue:
        """The queue of that name, if `connection` may use it."""
        queue = self.queues.get(name)
        if queue is None:
            raise not_found("queue", name)
        self._check_owner(queue, connection)
        return queue

    def remove_queue(self, queue: MessageQueue) -> int:
        """Take a queue down with everything in it; returns how many messages were ready."""
        self.queues.pop(queue.name, None)
        self._forget(Target("queue", queue.name))
        queue.close()
        return queue.purge()

    def bind(self, source: str, target: Target, key: str) -> None:
        """Queue.Bind and Exchange.Bind."""
        if source == "":
            raise RefusedError(403, "ACCESS_REFUSED - operation not permitted on the default exchange")
        self._exchange(source).bind(target, key)
        if target.kind == "exchange":
            self._exchange(target.name)
        self._routes.clear()

    def unbind(self, source: str, target: Target, key: str) -> None:
        """Queue.Unbind and Exchange.Unbind."""
        exchange = self._exchange(source)
        exchange.unbind(target, key)
        self._routes.clear()
        self._drop_if_unused(exchange)

    def route(self, exchange: str, key: str) -> tuple[MessageQueue, ...]:
        """The queues that a message reaches, each once. Raises RefusedError where the exchange is missing."""
        if exchange == "":
            queue = self.queues.get(key)
            return () if queue is None else (queue,)
        cached = self._routes.get((exchange, key))
        if cached is not None:
            return cached
        reached: dict[str, MessageQueue] = {}
        seen: set[str] = set()
        open_exchanges = [self._exchange(exchange)]
        while open_exchanges:
            current = open_exchanges.pop()
            if current.name in seen:
                continue
            seen.add(current.name)
            for target in current.targets(key):
                if target.kind == "queue":
                    reached[target.name] = self.queues[target.name]
                else:
                    open_exchanges.append(self.exchanges[target.name])
        if len(self._routes) >= ROUTES_CACHED_MAX:
            self._routes.clear()
        routed = self._routes[(exchange, key)] = tuple(reached.values())
        return routed

    def _exchange(self, name: str) -> Exchange:
        exchange = self.exchanges.get(name)
        if exchange is None:
            raise not_found("exchange", name)
        return exchange

    def _check_owner(self, queue: MessageQueue, connection: object) -> None:
        owner = queue.declaration.owner
        if owner is not None and owner is not connection:
            raise locked(queue.name)

    def _forget(self, target: Target) -> None:
        self._routes.clear()
        for exchange in tuple(self.exchanges.values()):
            if any(target in targets for targets in exchange.bindings.values()):
                exchange.forget(target)
                self._drop_if_unused(exchange)

    def _drop_if_unused(self, exchange: Exchange) -> None:
        if exchange.auto_delete and not exchange.bindings and exchange.name in self.exchanges:
            del self.exchanges[exchange.name]
            self._forget(Target("exchange", exchange.name))


def _exchange_type(name: str) -> ExchangeType:
    for known in TYPES:
        if name == known:
            return known
    raise RefusedError(503, f"COMMAND_INVALID - unknown exchange type '{name}'; known: {', '.join(TYPES)}")


def _check_name(kind: str, name: str) -> None:
    if name.startswith("amq."):
        raise RefusedError(403, f"ACCESS_REFUSED - {kind} name '{name}' contains reserved prefix 'amq.*'")


def _same(kind: str, name: str, argument: str, wanted: object, current: object) -> None:
    if wanted != current:
        raise precondition_failed(
            f"inequivalent arg '{argument}' for {kind} '{name}' in vhost '/': "
            f"received '{wanted}' but current is '{current}'"
        )

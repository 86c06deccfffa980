"""Exchanges and their bindings: which queues a routing key reaches."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

ExchangeType = Literal["direct", "topic", "fanout"]
TYPES: tuple[ExchangeType, ...] = ("direct", "topic", "fanout")


@dataclass(frozen=True, slots=True)
class Target:
    """The receiving end of a binding."""

    kind: Literal["queue", "exchange"]
    name: str


@dataclass(slots=True)
class Exchange:
    """One exchange. `bindings` maps a binding key to its targets, in the order in which they were bound."""

    name: str
    type: ExchangeType
    durable: bool = False
    auto_delete: bool = False
    internal: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)
    bindings: dict[str, dict[Target, None]] = field(default_factory=dict)

    def bind(self, target: Target, key: str) -> None:
        """Add a binding; binding twice is one binding."""
        self.bindings.setdefault(key, {})[target] = None

    def unbind(self, target: Target, key: str) -> None:
        """Remove a binding; an absent one is no error."""
        targets = self.bindings.get(key, {})
        targets.pop(target, None)
        if not targets:
            self.bindings.pop(key, None)

    def forget(self, target: Target) -> None:
        """Remove every binding to `target`, which is gone."""
        for key in tuple(self.bindings):
            self.unbind(target, key)

    def targets(self, routing_key: str) -> Iterator[Target]:
        """The targets that a message with `routing_key` goes to; one bound twice may come twice."""
        if self.type == "direct":
            yield from self.bindings.get(routing_key, {})
            return
        for key, targets in self.bindings.items():
            if self.type == "fanout" or topic_matches(key, routing_key):
                yield from targets


def topic_matches(pattern: str, routing_key: str) -> bool:
    """Whether a topic binding takes a routing key: `*` is one word, `#` any number, words end at dots.

    Walks the pattern once and keeps the set of places in the key that it may have reached: no pattern makes
    it slow.
    """
    words = routing_key.split(".") if routing_key else []
    reached = {0}
    for part in pattern.split(".") if pattern else []:
        if part == "#":
            reached = set(range(min(reached), len(words) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(words) and part in ("*", words[at])}
        if not reached:
            return False
    return len(words) in reached

"""What Prometheus reads of publishing and of the groups at work. docs/telemetry.md names every series.

Every label has a fixed list of values: a name that is on none counts as "other", so that no sender makes a series.
"""

from collections.abc import Collection, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector

from app.metrics import Counts, Spread
from broker.actors.apply import HandlerFailed, RetryLater
from broker.actors.store import AlreadyReceived, Fenced
from broker.faults import is_away, is_conflict
from broker.messages import MESSAGES
from broker.publish import BrokerUnavailable, MessageTooLarge, OutcomeUnknown, Unroutable
from broker.telemetry import IN_PLACE
from broker.topology import RETRY_TIERS
from documents.operations import Outcome

OTHER: Final = "other"
ACCEPTED: Final = "accepted"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WAITS: Final = (*SECONDS[1:], 60.0, 600.0)  # a message may stand in a retry queue for ten minutes
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200)
PUBLISHED: Final[Mapping[type[BaseException], str]] = {
    BrokerUnavailable: "unavailable",
    OutcomeUnknown: "unknown",
    Unroutable: "unroutable",
    MessageTooLarge: "too_large",
}
TIERS: Final = (IN_PLACE, *(tier.name for tier in RETRY_TIERS))
TYPES: Final = frozenset(MESSAGES)
OUTCOMES: Final = tuple(each.value for each in Outcome)


def among(value: str, known: Collection[str]) -> str:
    """The value, where it is on its list."""
    return value if value in known else OTHER


def refusal(error: BaseException) -> str:
    """Why a transaction was not committed, in one of six words."""
    if isinstance(error, HandlerFailed | RetryLater):
        return "handler"
    if isinstance(error, AlreadyReceived):
        return "received before"
    if isinstance(error, Fenced):
        return "fenced"
    if is_conflict(error):
        return "conflict"
    return "away" if is_away(error) else OTHER


class Series:
    """The series of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.published = self._histogram(
            "quire_publish_duration_seconds", "From a publish to its confirm", SECONDS, "outcome"
        )
        self.waited = self._histogram(
            "quire_message_wait_seconds",
            "From a message's acceptance to the beginning of work on it",
            WAITS,
            "group",
        )
        self.handled = self._histogram(
            "quire_message_handle_seconds",
            "From the beginning of work on a message to its receipt",
            SECONDS,
            "group",
        )
        self.batch_size = self._histogram(
            "quire_batch_size", "Messages, or units of unordered groups, in one transaction", SIZES, "loop"
        )
        self.batch_duration = self._histogram(
            "quire_batch_duration_seconds", "One transaction that was committed", SECONDS, "loop"
        )
        self.refused = self._counter(
            "quire_batch_refusals", "Transactions that were not committed", "loop", "reason"
        )
        self.messages = self._counter(
            "quire_messages", "Messages that came to a receipt", "group", "type", "outcome"
        )
        self.redelivered = self._counter("quire_redeliveries", "Messages delivered again", "group")
        self.retried = self._counter("quire_retries", "Attempts that are made later", "group", "tier")
        self.dead = self._counter("quire_dead_letters", "Messages given up", "group", "reason")

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Spread:
        return Spread(self.registry, name, text, labels, bounds)

    def _counter(self, name: str, text: str, *labels: str) -> Counts:
        return Counts(self.registry, name, text, labels)

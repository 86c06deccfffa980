"""What a worker holds at the moment of a scrape."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from broker.runtime import Runtime
from documents.actors import utc_now
from ops.telemetry.looking import Looking


class Held(Collector):
    """Asks a runtime, and what was last seen beside it, whenever somebody scrapes."""

    def __init__(self, runtime: Runtime, looking: Looking) -> None:
        self._runtime = runtime
        self._looking = looking

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See prometheus_client."""
        now = utc_now()
        held = self._runtime.held
        depth = GaugeMetricFamily(
            "quire_mailbox_depth", "Messages that this worker holds and has not settled", labels=["group"]
        )
        for group, deliveries in held.items():
            depth.add_metric([group], len(deliveries))
        yield depth
        accepted = [each.envelope.accepted_at for deliveries in held.values() for each in deliveries]
        since = min((at for at in (*accepted, self._looking.pending_since) if at is not None), default=now)
        yield GaugeMetricFamily(
            "quire_oldest_pending_operation_seconds",
            "Age of the oldest message held here or operation that waits for its second step",
            value=max(0.0, (now - since).total_seconds()),
        )
        yield GaugeMetricFamily(
            "quire_worker_ready", "Whether broker and database are there", value=float(self._runtime.healthy)
        )
        outside = GaugeMetricFamily(
            "quire_circuit_breaker_open",
            "Whether a group leaves the world outside alone for a while, because it failed",
            labels=["group"],
        )
        for group in self._runtime.outgoing:
            outside.add_metric([group], float(group in self._runtime.outside))
        yield outside
        yield from self._looking.collect(now)

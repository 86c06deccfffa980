"""What a process measures itself with, from its settings."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from broker.telemetry import SILENT, Telemetry
from ops.settings import Settings
from ops.telemetry.series import Series
from ops.telemetry.told import Told

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from ops.telemetry.traces import Traces

EXPORT_WITHIN_S = 3.0


class ExporterMissing(Exception):
    """Traces are to be sent, and nothing that sends them is installed."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """Who listens, and the series that it keeps; None: nobody listens."""

    telemetry: Telemetry = SILENT
    series: Series | None = None
    _shut_down: Callable[[], None] | None = None

    @property
    def registry(self) -> CollectorRegistry:
        """What is to be scraped."""
        return self.series.registry if self.series is not None else CollectorRegistry()

    async def close(self) -> None:
        """Sends the spans that are left, for some seconds at most."""
        if self._shut_down is not None:
            await asyncio.to_thread(self._shut_down)


UNMEASURED = Instruments()


def instruments(settings: Settings, service: str) -> Instruments:
    """The instruments of a process; `service` is its name in traces ("quire-edge").

    Raises `ExporterMissing`.
    """
    if not settings.telemetry:
        return UNMEASURED
    series = Series()
    if not settings.otlp_endpoint:
        return Instruments(Told(series, log_ratio=settings.log_ratio), series)
    provider = _provider(settings.otlp_endpoint, service)
    told = Told(series, traced=_traces(provider, settings.trace_ratio), log_ratio=settings.log_ratio)
    return Instruments(told, series, provider.shutdown)


def _traces(provider: "TracerProvider", ratio: float) -> "Traces":
    from ops.telemetry.traces import Traces  # noqa: PLC0415

    return Traces(provider.get_tracer("quire"), ratio)


def _provider(endpoint: str, service: str) -> "TracerProvider":
    """Sends spans in batches, from a thread of its own; what cannot be sent in time is dropped."""

    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415

    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    except ImportError as error:
        raise ExporterMissing(
            "QUIRE_OTLP_ENDPOINT is set, and the exporter is not installed: install quire[otlp]"
        ) from error
    named = {
        "service.name": service,
        "service.version": version("quire"),
        "service.instance.id": secrets.token_hex(8),
    }
    # What is not sampled makes no span at all, so whatever makes one is sent.
    provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource.create(named), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_WITHIN_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider

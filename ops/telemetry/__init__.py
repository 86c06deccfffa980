"""Telemetry: metrics, traces and sampled logs of one process, made from its settings. See docs/telemetry.md.

What only a worker tells stands in `held` and `looking`: an edge does not load them, nor a worker's modules with them.
"""

from ops.telemetry.instruments import UNMEASURED, ExporterMissing, Instruments, instruments
from ops.telemetry.series import Series
from ops.telemetry.told import Told
from ops.telemetry.traces import Traces

__all__ = [
    "UNMEASURED",
    "ExporterMissing",
    "Instruments",
    "Series",
    "Told",
    "Traces",
    "instruments",
]

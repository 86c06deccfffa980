"""Telemetry: metrics, traces and sampled logs of one process, made from its settings. See docs/telemetry.md."""

from ops.telemetry.held import Held
from ops.telemetry.instruments import UNMEASURED, ExporterMissing, Instruments, instruments
from ops.telemetry.looking import Looking
from ops.telemetry.series import Series
from ops.telemetry.told import Told
from ops.telemetry.traces import Traces

__all__ = [
    "UNMEASURED",
    "ExporterMissing",
    "Held",
    "Instruments",
    "Looking",
    "Series",
    "Told",
    "Traces",
    "instruments",
]

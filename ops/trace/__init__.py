"""`quire trace ORDER`: what became of an order, and why. See docs/trace.md."""

from ops.trace.collect import NoSuchOrder, trace
from ops.trace.show import show
from ops.trace.steps import Step, Trace

__all__ = ["NoSuchOrder", "Step", "Trace", "show", "trace"]

"""The report: a table for the screen, JSON for comparisons, a page with plots for people."""

from ops.bench.report.screen import show, show_gate
from ops.bench.report.write import read, write

__all__ = ["read", "show", "show_gate", "write"]

"""`quire check`: the promises, held against what is stored. See docs/check.md."""

from ops.check.checks import CHECKS
from ops.check.findings import EachOrder, EachTitle, Finding, Invariant, Report, Result, Whole
from ops.check.looking import EMBEDDED, BrokerAddress
from ops.check.run import SETTLE_S, Unreadable, check

__all__ = [
    "CHECKS",
    "EMBEDDED",
    "SETTLE_S",
    "BrokerAddress",
    "EachOrder",
    "EachTitle",
    "Finding",
    "Invariant",
    "Report",
    "Result",
    "Unreadable",
    "Whole",
    "check",
]

"""What is measured, by name."""

from ops.bench.scenarios.base import Bench, Load, Scenario
from ops.bench.scenarios.carts import CART, DRAIN, SEND
from ops.bench.scenarios.mixed import MIXED
from ops.bench.scenarios.orders import BUY, FLASH, WATCH
from ops.bench.scenarios.reads import DETAIL, LISTED

SCENARIOS: tuple[Scenario, ...] = (LISTED, DETAIL, CART, SEND, BUY, WATCH, FLASH, DRAIN, MIXED)

__all__ = ["SCENARIOS", "Bench", "Load", "Scenario"]

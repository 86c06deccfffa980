"""What is measured, by name."""

from ops.bench.scenarios.base import Bench, Load, Scenario
from ops.bench.scenarios.carts import CART, DRAIN, SEND
from ops.bench.scenarios.growth import LONGER, MORE
from ops.bench.scenarios.mixed import MIXED
from ops.bench.scenarios.orders import BUY, FLASH, WATCH
from ops.bench.scenarios.promises import PROMISES
from ops.bench.scenarios.reads import DETAIL, LISTED
from ops.bench.scenarios.soak import SOAK
from ops.bench.scenarios.telemetry import TELEMETRY

SCENARIOS: tuple[Scenario, ...] = (LISTED, DETAIL, CART, SEND, BUY, WATCH, FLASH, DRAIN, MIXED, LONGER, MORE)
WHEN_ASKED: tuple[Scenario, ...] = (TELEMETRY, SOAK, PROMISES)  # take longer than others

__all__ = ["SCENARIOS", "WHEN_ASKED", "Bench", "Load", "Scenario"]

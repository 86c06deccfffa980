"""Every kind of fault, by name."""

from tests.faults.kinds import messages, network, poison, processes, resources
from tests.faults.kinds.kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind for module in (processes, network, messages, poison, resources) for kind in module.KINDS
}

__all__ = ["KINDS", "Kind"]

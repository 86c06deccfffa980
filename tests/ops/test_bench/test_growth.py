"""Growth and soak: what is compared with what."""

import pytest

from ops.bench.figures import Figure, Report
from ops.bench.scenarios.growth import RATIO, compared
from ops.bench.scenarios.soak import GREW, grown
from ops.bench.targets import rows


def test_cost_is_everybodys_but_the_generators() -> None:
    """Twice the processor time at the servers is a ratio of two, whatever the shoppers took."""
    small, large = (
        Figure(name="growth", load=load, what="additions", value=1.0, cpu_ms=cost)
        for load, cost in (
            ("1 lines", {"edge": 0.5, "worker 1": 0.25, "mongod": 0.25, "shoppers": 0.1}),
            ("100 lines", {"edge": 0.75, "worker 1": 0.5, "mongod": 0.75, "shoppers": 5.0}),
        )
    )
    assert compared([small, large])[-1].also == {RATIO: 2.0}
    (row,) = rows(Report(at="", machine={}, settings={}, figures=[small, large]))
    assert (row.value, row.reaches(row.must)) == (2.0, False)


def test_growing_is_from_the_third_sixth_to_the_last() -> None:
    """What a process takes while it warms up is not held against it; servers are not ours to hold."""
    settled = [100.0, 120.0, 130.0, 130.0, 131.0, 132.0]
    leaking = [100.0, 110.0, 120.0, 130.0, 140.0, 150.0]
    found = grown({"edge": settled, "worker 2": leaking, "mongod": leaking})
    assert found == {f"edge{GREW}": pytest.approx(2.0), f"worker 2{GREW}": pytest.approx(30.0)}
    soak = Figure(name="soak", load="15 minutes", what="", value=1.0, also=found)
    aims = {
        row.what: row.reaches(row.must)
        for row in rows(Report(at="", machine={}, settings={}, figures=[soak]))
    }
    assert aims == {"edge grew over 15 minutes": True, "worker 2 grew over 15 minutes": False}

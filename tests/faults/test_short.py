"""Ten faults under a thousand orders, on both RabbitMQs: afterwards every promise holds."""

from pathlib import Path

import pytest

from ops.servers import ServerMissing
from tests.conftest import missing
from tests.faults.run import Run, carry_out, write
from tests.faults.stand import Shape

FAULTS, ORDERS, FREEZE_MAX_S = 10, 1_000, 15.0


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "run",
    [
        Run(1, FAULTS, ORDERS, Shape("3.10", nodes=1, members=3), FREEZE_MAX_S),
        Run(2, FAULTS, ORDERS, Shape("4.0", nodes=3, members=1), FREEZE_MAX_S),
    ],
    ids=["RabbitMQ 3.10", "RabbitMQ 4.0, three nodes"],
)
async def test_every_promise_holds_after_ten_faults(run: Run, tmp_path: Path) -> None:
    """No accepted command is lost, doubled or reordered; money and stock add up; only the poison is dead."""
    try:
        await carry_out(run)
    except ServerMissing as error:
        missing(error)
    report = write(run, tmp_path)
    assert run.verdict.violations == [], report.read_text()
    assert run.verdict.counted["orders"] >= ORDERS
    assert run.verdict.counted["faults"] == FAULTS

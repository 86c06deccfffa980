"""Every invariant can fail: each planted violation is named, with its id, and nothing else is."""

import pytest

from ops.check import CHECKS, check
from tests.ops.test_check.plants import Plants
from tests.ops.test_check.violations import PLANTED, Plant

SETTLE_S = 1.5  # the queue that is never empty is watched that long


@pytest.mark.parametrize(("name", "plant"), PLANTED, ids=[plant.__name__ for _, plant in PLANTED])
async def test_a_violation_is_named_and_nothing_else(plants: Plants, name: str, plant: Plant) -> None:
    """The invariant that was broken says which id broke it; all others hold."""
    broken = await plant(plants)
    report = await check(plants.database, settle_s=SETTLE_S)
    named = {
        result.name: [each.id for each in result.listed] for result in report.results if result.violations
    }
    assert named == {name: [broken]}, report.plain()["invariants"]


def test_every_invariant_is_broken_by_a_plant() -> None:
    """A check that nothing can fail is none: each has a violation of its own."""
    assert {name for name, _ in PLANTED} == {each.name for each in CHECKS}

"""What a real system leaves behind keeps every promise."""

from ops.check import CHECKS, check
from tests.ops.test_check.conftest import Database
from tests.ops.test_check.journeys import Journeys


async def test_a_real_systems_database_keeps_every_promise(filled: tuple[Database, Journeys]) -> None:
    """After journeys of every kind nothing is broken, nothing is noticed, and every invariant was looked at."""
    database, journeys = filled
    report = await check(database, settle_s=0)
    assert [result.name for result in report.results] == [each.name for each in CHECKS]
    assert [
        (result.name, result.listed, result.noticed)
        for result in report.results
        if result.listed or result.noticed
    ] == []
    assert not any(result.skipped for result in report.results)
    assert report.counted["orders"] == len(journeys.orders)
    assert report.counted["charges"] == len(journeys.orders)

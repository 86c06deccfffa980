"""What a real system leaves behind keeps every promise."""

from ops.bench.many import many_times
from ops.check import CHECKS, check
from tests.ops.test_check.conftest import Database
from tests.ops.test_check.journeys import Journeys

HASHED = "merge-arrived"  # goes by an id that is a hash of another


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


async def test_copies_under_other_ids_keep_every_promise(filled: tuple[Database, Journeys]) -> None:
    """What the check's own benchmark holds it against is as good as what it was copied from."""
    database, journeys = filled
    async with many_times(database, 3) as copies:
        report = await check(
            copies, None, settle_s=0, checks=[each for each in CHECKS if each.name != HASHED]
        )
        names = await copies.client.list_database_names()
    assert [(result.name, result.listed) for result in report.results if result.listed] == []
    assert report.counted["orders"] == report.counted["charges"] == 3 * len(journeys.orders)
    assert {copies.name, f"{copies.name}_gateway"} <= set(names)
    assert not {copies.name, f"{copies.name}_gateway"} & set(await database.client.list_database_names())

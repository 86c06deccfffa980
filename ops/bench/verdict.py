"""Speed means nothing where a promise was broken: `quire check` after every run."""

from ops.bench.figures import Kept, WentWrong
from ops.bench.settling import quiet
from ops.bench.stand import Stand
from ops.check import BrokerAddress, check

SETTLE_S = 10.0
NAMED_MAX = 5


async def verify(on: Stand) -> tuple[dict[str, int], list[Kept]]:
    """What stands in the database, and each invariant. Raises `WentWrong` naming what was broken, or could not be held.

    Messages that failed are no broken promise, but nothing in a benchmark may fail: they count as broken too.
    """
    await quiet(on)
    address = BrokerAddress(on.rabbitmq.url, on.rabbitmq.management_url)
    report = await check(on.database, address, settle_s=SETTLE_S)
    kept = [Kept(name=each.name, violations=each.violations, skipped=each.skipped) for each in report.results]
    broken = [
        f"{each.name}: {finding.id}: {finding.detail}" for each in report.results for finding in each.listed
    ]
    skipped = [f"{each.name} was not checked: {each.skipped}" for each in report.results if each.skipped]
    failed = await on.database.receipts.count_documents({"status": "failed"})
    if broken or skipped or failed:
        said = [*(f"{failed} messages failed" for _ in range(failed > 0)), *skipped, *broken]
        raise WentWrong(f"the run has no figures: {'; '.join(said[:NAMED_MAX])} ({len(said)} in all)")
    return {name: int(many) for name, many in report.counted.items()}, kept

"""What all violations are made with."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from documents.actors import utc_now
from tests.ops.test_check.journeys import ISBNS
from tests.ops.test_check.plants import Plants

Plant = Callable[[Plants], Awaitable[str]]
LONG_AGO = timedelta(hours=1)
TITLE = ISBNS[0]


def long_ago() -> datetime:
    """Longer than any grace period."""
    return utc_now() - LONG_AGO


async def cancel_long_ago(plants: Plants, order_id: str) -> None:
    """Nothing of it is under way any more."""
    order = await plants.one("orders", order_id)
    history = [{**change, "at": long_ago()} for change in order["history"]]
    await plants.change("orders", order_id, {"$set": {"history": history}})

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


async def received(plants: Plants, order_id: str, rev: int) -> None:
    """A message changed the order to this revision, or so its receipt says."""
    receipt = await plants.one("receipts", {"group": "orders", "type": "PaymentAuthorized"})
    name = f"changed-to-{rev}"
    row = {**receipt, "_id": f"orders/{name}", "message_id": name, "key": order_id, "rev": rev}
    await plants.database["receipts"].insert_one(row)

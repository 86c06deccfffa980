"""However an order's confirmation is heard of, it is heard of once and only where it is one."""

import asyncio

import pytest

from ops.bench.client import Connection
from ops.bench.confirmations import Told
from ops.bench.figures import WentWrong
from ops.bench.shoppers import NewCart, Order, Shopper

SOMEBODY = Shopper(Connection("http://127.0.0.1:1"), NewCart(id="c", token="t"))


def order(number: int) -> Order:
    """An order that was placed."""
    return Order(id=f"order-{number}", status="placed")


async def test_a_confirmation_before_anybody_asks_is_not_lost() -> None:
    """The event may be faster than the answer to the order."""
    told = Told()
    told.tell("order-1", "OrderConfirmed")
    await told.confirmed(SOMEBODY, order(1))


async def test_each_waits_for_their_own_order() -> None:
    """Another's confirmation is not mine."""
    told = Told()
    mine = asyncio.create_task(told.confirmed(SOMEBODY, order(1)))
    theirs = asyncio.create_task(told.confirmed(SOMEBODY, order(2)))
    await asyncio.sleep(0)
    told.tell("order-2", "confirmed")
    await theirs
    assert not mine.done()
    told.tell("order-1", "confirmed")
    await mine


@pytest.mark.parametrize("early", [True, False])
async def test_a_cancelled_order_is_no_purchase(early: bool) -> None:
    """Whether it is told before or after somebody asks."""
    told = Told()
    if early:
        told.tell("order-1", "OrderCancelled")
    asking = asyncio.create_task(told.confirmed(SOMEBODY, order(1)))
    await asyncio.sleep(0)
    if not early:
        told.tell("order-1", "OrderCancelled")
    with pytest.raises(WentWrong, match="OrderCancelled"):
        await asking

"""Purchases: one after the other, watched by their shoppers, and all at once for the same title."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from broker.ending import together
from ops.bench.confirmations import WAYS, Confirmations
from ops.bench.figures import Figure, WentWrong
from ops.bench.loops import Taken
from ops.bench.scenarios.base import Bench, Load, Scenario, described, looped
from ops.bench.settling import quiet
from ops.bench.shoppers import Order, Shopper, arrive, leave, staff
from ops.bench.stand import Meter
from ops.bench.titles import FLASH_TITLE

FLASH_SHOPPERS_A_COPY = 10
FLASH_AT_ONCE = 500  # requests open at a time
TO_CONFIRMED = "order to confirmed"


async def buy_once(bench: Bench, ways: Confirmations, shopper: Shopper, number: int) -> float:
    """Two titles, an order, until it is confirmed; seconds from the order to then."""
    first, second = bench.isbn(2 * number), bench.isbn(2 * number + 1)
    await shopper.add(first, wait=False)
    await shopper.add(second, wait=False)
    begun = time.perf_counter()
    order = await shopper.order()
    await ways.confirmed(shopper, order)
    return time.perf_counter() - begun


async def _bought(bench: Bench, load: Load, scenario: Scenario, way: str) -> list[Figure]:
    async with WAYS[way](bench.on) as ways:

        async def turn(shopper: Shopper, number: int) -> float:
            return await buy_once(bench, ways, shopper, number)

        figure = Figure(name=scenario.name, load=load.name, what=scenario.what, value=0.0)
        return [await looped(bench, load, figure, turn, part=TO_CONFIRMED)]


async def _buy(bench: Bench, load: Load) -> list[Figure]:
    return await _bought(bench, load, BUY, bench.confirm)


async def _watch(bench: Bench, load: Load) -> list[Figure]:
    return await _bought(bench, load, WATCH, "watch")


async def _flash(bench: Bench, load: Load) -> list[Figure]:  # noqa: ARG001 - it brings its own
    """Carts are filled before the clock starts; it stops when the last copy's order is confirmed."""
    on = bench.on
    await _restock(bench)
    shoppers = await arrive(on.urls, bench.rushing, connections=FLASH_AT_ONCE)
    before = await quiet(on)
    await _each(shoppers, lambda shopper: shopper.add(FLASH_TITLE, wait=False))
    moment = await quiet(on)
    if moment.receipts - before.receipts != len(shoppers):
        raise WentWrong(f"{moment.receipts - before.receipts} of {len(shoppers)} carts were filled")
    figure, taken = Figure(name="flash", load="", what=FLASH.what, value=0.0), Taken()
    meter, begun = Meter.start(on), time.perf_counter()
    async with WAYS["events" if bench.confirm == "watch" else bench.confirm](on) as ways:

        async def confirmed(shopper: Shopper, order: Order) -> float:
            await ways.confirmed(shopper, order)
            return time.perf_counter() - begun

        async def rush(shopper: Shopper) -> None:
            order = await shopper.try_order()
            taken.add(time.perf_counter() - begun, None)  # all of them came when the sale began
            if order is not None:
                confirming.append(asyncio.create_task(confirmed(shopper, order)))

        confirming: list[asyncio.Task[float]] = []
        await _each(shoppers, rush)
        answered_s = time.perf_counter() - begun
        sold_s = max(await asyncio.gather(*confirming), default=0.0)
        taken.seconds = time.perf_counter() - begun
    leave(shoppers)
    meter.cores(figure, taken.seconds)
    await quiet(on)
    meter.costs(figure, len(confirming))
    await described(bench, figure, taken, moment)
    await _exactly_sold(bench, len(confirming))
    figure.value = len(confirming) / sold_s
    figure.values = [figure.value]
    figure.also = {
        "sold": float(len(confirming)),
        "seconds until the last was confirmed": sold_s,
        "orders sent": float(len(shoppers)),
        "answers a second": len(shoppers) / answered_s,
    }
    return [figure]


def _copies(bench: Bench) -> int:
    return bench.rushing // FLASH_SHOPPERS_A_COPY


async def _each(shoppers: list[Shopper], work: Callable[[Shopper], Awaitable[None]]) -> None:
    """All shoppers at once, those who share a connection one after the other."""
    lines: dict[int, list[Shopper]] = {}
    for shopper in shoppers:
        lines.setdefault(id(shopper.connection), []).append(shopper)

    async def along(line: list[Shopper]) -> None:
        for shopper in line:
            await work(shopper)

    await together(along(line) for line in lines.values())


async def _restock(bench: Bench) -> None:
    """As many copies to sell as the sale has, on top of those that earlier sales still hold."""
    clerk = staff(bench.on.url, bench.on.operator_token)
    stock = await bench.on.database.stock.find_one({"_id": FLASH_TITLE})
    held = int(stock["reserved"]) if stock is not None else 0
    await clerk.put(f"/v1/books/{FLASH_TITLE}/stock", {"on_hand": held + _copies(bench)})
    clerk.close()


async def _exactly_sold(bench: Bench, confirmed: int) -> None:
    """Raises `WentWrong` unless exactly as many were sold as there were copies, and none is left."""
    stock = await bench.on.database.stock.find_one({"_id": FLASH_TITLE})
    if confirmed != _copies(bench) or stock is None or stock["available"] != 0:
        raise WentWrong(f"{confirmed} of {_copies(bench)} copies were sold; the stock is {stock}")


BUY = Scenario("buy", "cart, two titles, order, paid, confirmed", _buy)
WATCH = Scenario("watch", "the same, each order watched by its shopper", _watch, loads=("closed",))
FLASH = Scenario("flash", "one title for everybody: sold and confirmed", _flash, loads=("once",))

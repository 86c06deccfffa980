"""What a command costs as the shop grows: longer carts, and more orders that were placed long ago.

Cost is processor time of edges, workers and servers together for one turn; the generator's is left out.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from bson import encode
from bson.raw_bson import RawBSONDocument
from pymongo.write_concern import WriteConcern

from broker.ending import together
from documents.actors import utc_now
from ops.bench.confirmations import WAYS
from ops.bench.figures import Figure, WentWrong
from ops.bench.loops import closed_loop
from ops.bench.scenarios.base import Bench, Load, Scenario, measured
from ops.bench.scenarios.orders import TO_CONFIRMED, buy_once
from ops.bench.shoppers import Shopper, arrive, leave

LINES = (1, 100)
ORDERS = (10_000, 1_000_000)
STORED = "stored@bench.example"  # the mail address of orders that nobody placed
INSERTED_AT_ONCE = 5_000
PLACED_WITHIN = timedelta(days=365)
RATIO = "cost, large to small"


async def _lines(bench: Bench, load: Load) -> list[Figure]:
    """Additions to carts that hold so many titles already; accepted, until the last is applied."""
    figures = []
    for lines in LINES:
        if lines > len(bench.isbns):
            raise WentWrong(f"carts of {lines} lines need as many titles, and there are {len(bench.isbns)}")
        shoppers = await arrive(bench.on.urls, load.shoppers)
        await together(_fill(bench, shopper, lines) for shopper in shoppers)

        async def turn(shopper: Shopper, number: int, lines: int = lines) -> None:
            await shopper.add(bench.isbns[number % lines], wait=False)

        figure = Figure(name="growth", load=f"{lines} lines", what=LONGER.what, value=0.0)
        figures.append(await measured(bench, shoppers, load, figure, turn, receipts=1))
        leave(shoppers)
    return compared(figures)


async def _fill(bench: Bench, shopper: Shopper, lines: int) -> None:
    for isbn in bench.isbns[:lines]:
        await shopper.add(isbn, wait=False)


async def _orders(bench: Bench, load: Load) -> list[Figure]:
    """Purchases beside so many orders of the past year. Those are taken away again: nobody can check them."""
    figures, stored = [], 0
    shoppers = await arrive(bench.on.urls, load.shoppers)
    async with WAYS[bench.confirm](bench.on) as ways:

        async def turn(shopper: Shopper, number: int) -> float:
            return await buy_once(bench, ways, shopper, number)

        await closed_loop(shoppers, turn, bench.warm_up_s)
        try:
            for many in ORDERS:
                await _store(bench, stored, many)
                stored = many
                figure = Figure(name="growth", load=f"{many:,} orders", what=MORE.what, value=0.0)
                figures.append(await measured(bench, shoppers, load, figure, turn, part=TO_CONFIRMED))
        finally:
            leave(shoppers)
            await _take_away(bench)
    return compared(figures)


def compared(figures: list[Figure]) -> list[Figure]:
    """The last one says by how much more a turn costs there than in the first."""
    small, large = (_cost_ms(figure) for figure in (figures[0], figures[-1]))
    figures[-1].also[RATIO] = large / small
    return figures


def _cost_ms(figure: Figure) -> float:
    return sum(value for part, value in figure.cpu_ms.items() if part != "shoppers")


async def _store(bench: Bench, already: int, many: int) -> None:
    """Inserts orders directly, made after one that was placed."""
    order = await bench.on.database.orders.find_one({"status": "confirmed", "email": {"$ne": STORED}})
    if order is None:
        raise WentWrong("no order was confirmed that others could be made after")
    orders = bench.on.database.get_collection("orders", write_concern=WriteConcern(1, j=False))
    batch: list[RawBSONDocument] = []
    for document in _alike(order, already, many):
        batch.append(RawBSONDocument(encode(document)))
        if len(batch) == INSERTED_AT_ONCE:
            await orders.insert_many(batch, ordered=False)
            batch = []
    if batch:
        await orders.insert_many(batch, ordered=False)


def _alike(order: dict[str, Any], first: int, end: int) -> Iterator[dict[str, Any]]:
    """Delivered orders of as many senders, spread over a year."""
    now = utc_now()
    for number in range(first, end):
        placed_at = now - PLACED_WITHIN * (number + 1) / end
        yield order | {
            "_id": f"{number:032x}",
            "sender": f"guest:{number:032x}",
            "placed_by": f"{number:032x}",
            "email": STORED,
            "status": "delivered",
            "due_at": None,
            "placed_at": placed_at,
        }


async def _take_away(bench: Bench) -> None:
    """Replaces the collection, indexes kept, by what was really ordered: faster than a million deletions."""
    cursor = await bench.on.database.orders.aggregate(
        [{"$match": {"email": {"$ne": STORED}}}, {"$out": "orders"}]
    )
    await cursor.close()


LONGER = Scenario("growth-lines", "additions to carts of 1 and of 100 lines", _lines, loads=("once",))
MORE = Scenario(
    "growth-orders", "purchases beside 10 thousand and 1 million orders", _orders, loads=("once",)
)

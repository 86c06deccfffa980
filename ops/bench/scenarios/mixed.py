"""What a shop's day looks like: 90 reads, 9 additions to a cart and one purchase of a hundred turns."""

from random import Random

from ops.bench.confirmations import WAYS
from ops.bench.figures import Figure
from ops.bench.scenarios.base import Bench, Load, Scenario, looped
from ops.bench.scenarios.orders import TO_CONFIRMED, buy_once
from ops.bench.scenarios.reads import LIST
from ops.bench.shoppers import Shopper

SHARES = {"detail": 70, "list": 20, "add": 9, "buy": 1}
SEED = 90_9_1


async def _mixed(bench: Bench, load: Load) -> list[Figure]:
    kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
    Random(SEED).shuffle(kinds)
    async with WAYS[bench.confirm](bench.on) as ways:

        async def turn(shopper: Shopper, number: int) -> float | None:
            match kinds[number % len(kinds)]:
                case "detail":
                    await shopper.get(f"/v1/books/{bench.isbn(number)}")
                case "list":
                    await shopper.get(LIST)
                case "add":
                    await shopper.add(bench.isbn(number), wait=True)
                case _:
                    return await buy_once(bench, ways, shopper, number)
            return None

        figure = Figure(name=MIXED.name, load=load.name, what=MIXED.what, value=0.0)
        return [await looped(bench, load, figure, turn, part=TO_CONFIRMED)]


MIXED = Scenario("mixed", "90 reads, 9 additions to a cart, 1 purchase", _mixed)

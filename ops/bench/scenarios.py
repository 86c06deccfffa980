"""What is measured. Each scenario says what one turn of a shopper is."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ops.bench.shoppers import Shopper

Turn = Callable[[Shopper, int], Awaitable[None]]
LINES_MAX = 20


@dataclass(frozen=True, slots=True)
class Scenario:
    """`at_least`: turns a second that the project has set itself for 64 shoppers on 2 cores; None: no aim.

    `applies`: the turn's commands are not waited for by their senders; the clock runs until the last of this
    type is applied.
    """

    name: str
    what: str
    turn: Turn
    at_least: float | None = None
    applies: str | None = None


def scenarios(isbns: Sequence[str]) -> tuple[Scenario, ...]:
    """All of them, over these titles."""

    async def cart(shopper: Shopper, turn: int) -> None:
        await shopper.add(isbns[turn % min(LINES_MAX, len(isbns))], wait=True)

    async def send(shopper: Shopper, turn: int) -> None:
        await shopper.add(isbns[turn % min(LINES_MAX, len(isbns))], wait=False)

    async def buy(shopper: Shopper, turn: int) -> None:
        await shopper.add(isbns[turn % len(isbns)], wait=False)
        await shopper.add(isbns[(turn * 7 + 1) % len(isbns)], wait=False)
        order = await shopper.order()
        await shopper.confirmed(order)

    return (
        Scenario("send", "add-to-cart, accepted and applied", send, at_least=500, applies="AddItem"),
        Scenario("cart", "add-to-cart, each waiting until it is applied", cart),
        Scenario("buy", "cart, two titles, order, confirmed", buy, at_least=80),
    )

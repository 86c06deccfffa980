"""Adding to carts: accepted, applied, and waiting in the queues."""

import time

from ops.bench.figures import Figure, WentWrong
from ops.bench.scenarios.base import Bench, Load, Scenario, looped
from ops.bench.scenarios.reads import by_wrk
from ops.bench.settling import Moment, batch_sizes, quiet, received, until_received
from ops.bench.shoppers import Shopper, arrive, leave
from ops.bench.stand import Meter
from ops.bench.wrk import wrk

LINES = 10  # titles in a cart
WAITING_CARTS = 1_000
WAITING_LINES = 4


async def _cart(bench: Bench, load: Load) -> list[Figure]:
    async def turn(shopper: Shopper, number: int) -> None:
        await shopper.add(bench.isbns[number % LINES], wait=True)

    figure = Figure(name=CART.name, load=load.name, what=CART.what, value=0.0)
    return [await looped(bench, load, figure, turn)]


async def _send(bench: Bench, load: Load) -> list[Figure]:
    async def turn(shopper: Shopper, number: int) -> None:
        await shopper.add(bench.isbns[number % LINES], wait=False)

    figure = Figure(name=SEND.name, load=load.name, what=SEND.what, value=0.0)
    return [await looped(bench, load, figure, turn, receipts=1)]


async def _drain(bench: Bench, load: Load) -> list[Figure]:
    """Without workers the edge accepts until enough waits; then workers start, and the clock with the first receipt."""
    on = bench.on
    shoppers = await arrive(on.urls, WAITING_CARTS, connections=64)
    requests = [
        shopper.add_request(bench.isbn(number * WAITING_LINES + line), wait=False)
        for line in range(WAITING_LINES)
        for number, shopper in enumerate(shoppers)
    ]
    leave(shoppers)
    before = await quiet(on)
    await on.stop_workers()
    accepted = await _fill(bench, load, requests)
    waiting = round(accepted.also["commands"])
    drained = Figure(name="drain", load="", what=DRAIN.what, value=0.0)
    moment = Moment(before.receipts)
    try:
        await on.start_workers()
        await until_received(on, before.receipts + 1)
        meter, already, begun = Meter.start(on), await received(on), time.perf_counter()
        await until_received(on, before.receipts + waiting)
        seconds = time.perf_counter() - begun
        meter.cores(drained, seconds)
        meter.costs(drained, before.receipts + waiting - already)
    finally:
        if not on.has_workers:
            await on.start_workers()
    drained.value = (before.receipts + waiting - already) / seconds
    drained.values = [drained.value]
    drained.also = {"commands": waiting}
    drained.batches = await batch_sizes(on, moment)
    return [accepted, drained]


async def _fill(bench: Bench, load: Load, requests: list[bytes]) -> Figure:
    """Sends until enough waits; the figure is the rate at which one edge accepted."""
    figure = Figure(name=ACCEPT, load=load.name, what="add-to-cart, accepted, no worker running", value=0.0)
    meter, count, seconds, last = Meter.start(bench.on), 0, 0.0, None
    while count < bench.waiting:
        last = await wrk(bench.on.url, requests, connections=load.shoppers, seconds=bench.seconds)
        count, seconds = count + last.requests, seconds + last.seconds
        if not last.requests:
            raise WentWrong("the edge accepted nothing")
    assert last is not None
    by_wrk(figure, last)
    figure.value = count / seconds
    figure.values = [figure.value]
    figure.also = {"commands": float(count)}
    meter.cores(figure, seconds)
    meter.costs(figure, count)
    return figure


ACCEPT = "accept"
CART = Scenario("cart", "add-to-cart, each waiting until it is applied", _cart)
SEND = Scenario("send", "add-to-cart, accepted (202), until the last is applied", _send, loads=("closed",))
DRAIN = Scenario("drain", "commands that waited in the queues", _drain, loads=("once",))

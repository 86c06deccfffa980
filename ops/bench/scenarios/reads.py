"""Reads, by wrk: what the cache answers."""

from collections.abc import Iterable

from ops.bench.client import request
from ops.bench.figures import Figure
from ops.bench.scenarios.base import Bench, Load, Scenario
from ops.bench.stand import Meter
from ops.bench.wrk import Wrk, wrk

PAGES = 2_000
LIST = "/v1/books?limit=20"


async def _detail(bench: Bench, load: Load) -> list[Figure]:
    paths = (f"/v1/books/{bench.isbn(number)}" for number in range(PAGES))
    return [await _read(bench, load, DETAIL, [request("GET", path, {}) for path in paths])]


async def _list(bench: Bench, load: Load) -> list[Figure]:
    return [await _read(bench, load, LISTED, [request("GET", LIST, {})])]


async def _read(bench: Bench, load: Load, scenario: Scenario, requests: Iterable[bytes]) -> Figure:
    """From the first edge: what one process answers."""
    requests = list(requests)
    await wrk(bench.on.url, requests, connections=load.shoppers, seconds=bench.warm_up_s)
    meter = Meter.start(bench.on)
    said = await wrk(bench.on.url, requests, connections=load.shoppers, seconds=bench.seconds)
    figure = by_wrk(Figure(name=scenario.name, load=load.name, what=scenario.what, value=0.0), said)
    meter.cores(figure, said.seconds)
    meter.costs(figure, said.requests)
    return figure


def by_wrk(figure: Figure, said: Wrk) -> Figure:
    """The figure with what wrk measured."""
    figure.value = said.rate
    figure.values = [said.rate]
    figure.latency_ms = {name: value / 1000 for name, value in said.latency_us.items()}
    figure.curve_ms = [value / 1000 for value in said.curve_us]
    return figure


DETAIL = Scenario("detail", "a book's page, from cache", _detail, loads=("closed",))
LISTED = Scenario("list", "the list's first page, from cache", _list, loads=("closed",))

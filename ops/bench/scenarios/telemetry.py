"""What telemetry costs: additions to carts without any and with all of it, by processes of their own in turn."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ops.bench.figures import Figure, WentWrong, medians
from ops.bench.scenarios.base import Bench, Load, Scenario
from ops.bench.scenarios.carts import CART

OFF, ON = "off", "on"
TURNS = (OFF, ON, ON, OFF)  # what slows the machine down little by little slows both down alike


class Collector(ThreadingHTTPServer):
    """Takes spans as OTLP/HTTP, and counts how often it got some."""

    taken = 0


class _Take(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        """To nobody."""


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """One on a free port, with a thread of its own."""
    with Collector(("127.0.0.1", 0), _Take) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            await asyncio.to_thread(server.shutdown)
            thread.join()


async def _telemetry(bench: Bench, load: Load) -> list[Figure]:
    """At the default ratios. Raises `WentWrong` where no span arrived, for then it was not measured."""
    figures: dict[str, list[Figure]] = {OFF: [], ON: []}
    async with collector() as spans:
        settings: dict[str, Mapping[str, str]] = {
            OFF: {"QUIRE_TELEMETRY": "false", "QUIRE_OTLP_ENDPOINT": ""},
            ON: {
                "QUIRE_TELEMETRY": "true",
                "QUIRE_METRICS_PORT": "0",
                "QUIRE_OTLP_ENDPOINT": f"http://127.0.0.1:{spans.server_address[1]}",
            },
        }
        try:
            for name in TURNS:
                await bench.on.restart(settings[name])
                figures[name] += await CART.measure(bench, load)
        finally:
            await bench.on.restart({})
        if not spans.taken:
            raise WentWrong("no span reached the collector: what traces cost was not measured")
    return [_one(name, figures[name]) for name in figures]


def _one(name: str, halves: list[Figure]) -> Figure:
    figure = medians(halves)
    figure.name, figure.load, figure.what = TELEMETRY.name, name, TELEMETRY.what
    figure.values = [figure.value]
    return figure


TELEMETRY = Scenario(
    "telemetry", "add-to-cart without telemetry, and with all of it", _telemetry, loads=("once",)
)

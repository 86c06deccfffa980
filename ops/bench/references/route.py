"""R1: the least that a Litestar route on Granian can do."""

import sys

import httpx
from litestar import Litestar, get

from ops.bench.client import request
from ops.bench.figures import Figure
from ops.bench.scenarios.base import Bench, Load, Scenario
from ops.bench.scenarios.reads import by_wrk
from ops.bench.stand import usage_of
from ops.bench.wrk import wrk
from ops.servers.child import Child
from ops.servers.ports import free_port

ROUTE = "route"  # the part whose processor time it tells
READY_WITHIN_S = 30
BYTES = 1_000
PAGE = {f"field_{number:02d}": "x" * 35 for number in range(20)}  # encodes to a kilobyte


@get("/", sync_to_thread=False)
def page() -> dict[str, str]:
    """The same answer each time, encoded each time."""
    return PAGE


app = Litestar([page], openapi_config=None)

SERVE = """
from granian import Granian
from granian.constants import Interfaces, Loops
import sys
Granian("ops.bench.references.route:app", address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.ASGI,
        loop=Loops.uvloop, workers=1, websockets=False, log_access=False).serve()
"""


async def _route(bench: Bench, load: Load) -> list[Figure]:
    port = free_port(None)
    url = f"http://127.0.0.1:{port}"
    server = await Child.start(
        "reference-route", (sys.executable, "-c", SERVE, str(port)), bench.on.folder, env=bench.on.env
    )
    try:
        await server.until(lambda: _ready(url), within_s=READY_WITHIN_S)
        sent = [request("GET", "/", {})]
        await wrk(url, sent, connections=load.shoppers, seconds=bench.warm_up_s)
        before = usage_of(server.pid)
        said = await wrk(url, sent, connections=load.shoppers, seconds=bench.seconds)
        used_s = usage_of(server.pid).cpu_s - before.cpu_s
    finally:
        await server.stop()
    figure = by_wrk(Figure(name="R1", load=load.name, what=R1.what, value=0.0), said)
    figure.cpu_ms = {ROUTE: 1000 * used_s / said.requests}
    return [figure]


async def _ready(url: str) -> bool:
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(url)).status_code == 200
    except httpx.TransportError:
        return False


R1 = Scenario("R1", "a bare Litestar route on Granian, 1 kB of JSON", _route, loads=("closed",))

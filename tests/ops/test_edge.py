"""The edge's process."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aio_pika.abc import AbstractConnection
from httpx import AsyncClient, Response, TransportError
from pymongo.asynchronous.database import AsyncDatabase

from app.security.capabilities import order_token
from app.security.keys import Keyring
from broker.connection import connect
from broker.topology import BY_NAME
from ops.instance import QUIRE
from ops.servers import Mongod
from ops.servers.child import Child
from ops.servers.ports import free_port
from tests.app.edges import ISBN
from tests.app.purchases import make_order
from tests.faults.proxy import Proxy, proxy_to

KEYS = secrets.token_urlsafe(32)


def test_it_loads_no_worker() -> None:
    """Handlers and FastStream are a worker's: each edge would carry 10 MB of them for nothing."""
    asked = "import sys, ops.cli, ops.edge; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"app", "broker", "litestar"} <= loaded
    assert not loaded & {"handlers", "faststream"}


async def serves(client: AsyncClient, *parts: str) -> bool:
    """Whether it is ready, and these parts of it are well."""
    try:
        answer = await client.get("/health/ready")
    except TransportError:
        return False
    return answer.status_code == 200 and all(answer.json()["parts"][part]["ok"] for part in parts)


async def ready(client: AsyncClient) -> bool:
    """Whether it serves, and can publish."""
    return await serves(client, "broker")


async def accepted(connection: AbstractConnection, adding: asyncio.Task[Response]) -> None:
    """Returns once a command waits for the carts. A channel that comes back by itself declares each queue only once."""
    async with asyncio.timeout(30):
        counts: list[int | None] = []
        while not any(counts):
            assert not adding.done(), adding.result().text
            async with connection.channel() as channel:
                found = [await channel.declare_queue(name, passive=True) for name in BY_NAME["carts"].queues]
            counts = [queue.declaration_result.message_count for queue in found]


def through(proxy: Proxy, rabbitmq_url: str) -> str:
    """The broker's address behind a proxy."""
    url = urlsplit(rabbitmq_url)
    return url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{proxy.port}").geturl()


def settings_of(
    rabbitmq_url: str, mongod: Mongod, database: AsyncDatabase[dict[str, Any]]
) -> tuple[int, dict[str, str]]:
    """A free port, and the environment of an edge on it."""
    port = free_port(None)
    return port, {
        "QUIRE_RABBITMQ_URL": rabbitmq_url,
        "QUIRE_MONGODB_URL": mongod.url,
        "QUIRE_DATABASE": database.name,
        "QUIRE_SIGNING_KEYS": KEYS,
        "QUIRE_PORT": str(port),
    }


async def test_it_starts_without_the_broker(
    rabbitmq_url: str, mongod: Mongod, mongo_database: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """Books are shown and commands refused; once the broker is there, it declares the topology and accepts them."""
    async with proxy_to(urlsplit(rabbitmq_url).port or 5672) as proxy:
        proxy.refuse()
        port, env = settings_of(through(proxy, rabbitmq_url), mongod, mongo_database)
        edge = await Child.start("edge", (*QUIRE, "edge"), tmp_path, env=env)
        async with AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await edge.until(lambda: serves(client), within_s=60)
            if sys.platform == "linux":
                assert os.sched_getscheduler(edge.pid) == os.SCHED_BATCH
            assert (await client.get("/v1/books")).status_code == 200
            cart = (await client.post("/v1/carts")).json()

            async def add() -> Response:
                item = {"isbn": ISBN, "quantity": 1}
                headers = {"Cart-Token": cart["token"]}
                return await client.post(f"/v1/carts/{cart['id']}/items", json=item, headers=headers)

            refused = await add()
            assert (refused.status_code, refused.json()["code"]) == (503, "broker_unavailable")
            assert "retry-after" in refused.headers
            proxy.heal()
            await edge.until(lambda: ready(client), within_s=30)
            assert (await add()).status_code == 202
        assert await edge.stop() == 0


async def test_it_stops_while_its_broker_is_silent(
    rabbitmq_url: str, mongod: Mongod, mongo_database: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """An attempt to connect that is under way ends with it."""
    async with proxy_to(urlsplit(rabbitmq_url).port or 5672) as proxy:
        proxy.silence()
        port, env = settings_of(through(proxy, rabbitmq_url), mongod, mongo_database)
        edge = await Child.start("edge", (*QUIRE, "edge"), tmp_path, env=env)
        async with AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await edge.until(lambda: serves(client), within_s=60)
        edge.signal(signal.SIGTERM)
        assert await asyncio.wait_for(edge.wait(), 30) == 0


async def test_it_ends_where_nobody_can_ever_connect(
    mongod: Mongod, mongo_database: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """An address that is none is no broker that is away: it says so and ends."""
    _, env = settings_of("amqp://guest:guest@127.0.0.1:port/", mongod, mongo_database)
    edge = await Child.start("edge", (*QUIRE, "edge"), tmp_path, env=env)
    assert await asyncio.wait_for(edge.wait(), 30) == 1
    assert "edge.cannot_publish" in edge.log.read_text()


async def test_it_waits_for_nobody_when_it_is_told_to_stop(
    rabbitmq_url: str, mongod: Mongod, mongo_database: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """A reader's event stream ends, and who waits for an outcome reads that the command was accepted."""
    port, env = settings_of(rabbitmq_url, mongod, mongo_database)
    order = make_order()
    await mongo_database["orders"].insert_one(order.stored())
    edge = await Child.start("edge", (*QUIRE, "edge"), tmp_path, env=env)
    web = AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)
    async with web as client, await connect(rabbitmq_url, name="test") as connection:
        await edge.until(lambda: ready(client), within_s=60)
        cart = (await client.post("/v1/carts")).json()
        headers = {"Cart-Token": cart["token"], "Prefer": "wait=30"}
        item = {"isbn": ISBN, "quantity": 1}
        opens = {"Order-Token": order_token(Keyring.from_secrets(KEYS), order.id)}
        async with client.stream("GET", f"/v1/orders/{order.id}/events", headers=opens) as stream:
            lines = stream.aiter_lines()
            async for line in lines:
                if line.startswith("data:"):
                    break
            adding = asyncio.create_task(
                client.post(f"/v1/carts/{cart['id']}/items", json=item, headers=headers)
            )
            await accepted(connection, adding)
            edge.signal(signal.SIGTERM)
            assert (await adding).status_code == 202
            assert [line async for line in lines if line.startswith("data:")] == []
    assert await edge.wait() == 0

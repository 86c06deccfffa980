"""The edge's process."""

import asyncio
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

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

KEYS = secrets.token_urlsafe(32)


def test_it_loads_no_worker() -> None:
    """Handlers and FastStream are a worker's: each edge would carry 10 MB of them for nothing."""
    asked = "import sys, ops.edge; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"app", "broker", "litestar"} <= loaded
    assert not loaded & {"handlers", "faststream"}


async def ready(client: AsyncClient) -> bool:
    """Whether it serves, and can publish."""
    try:
        answer = await client.get("/health/ready")
    except TransportError:
        return False
    return answer.status_code == 200 and bool(answer.json()["parts"]["broker"]["ok"])


async def accepted(connection: AbstractConnection, adding: asyncio.Task[Response]) -> None:
    """Returns once a command waits for the carts. A channel that comes back by itself declares each queue only once."""
    async with asyncio.timeout(30):
        counts: list[int | None] = []
        while not any(counts):
            assert not adding.done(), adding.result().text
            async with connection.channel() as channel:
                found = [await channel.declare_queue(name, passive=True) for name in BY_NAME["carts"].queues]
            counts = [queue.declaration_result.message_count for queue in found]


async def test_it_waits_for_nobody_when_it_is_told_to_stop(
    rabbitmq_url: str, mongod: Mongod, mongo_database: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """A reader's event stream ends, and who waits for an outcome reads that the command was accepted."""
    port = free_port(None)
    env = {
        "QUIRE_RABBITMQ_URL": rabbitmq_url,
        "QUIRE_MONGODB_URL": mongod.url,
        "QUIRE_DATABASE": mongo_database.name,
        "QUIRE_SIGNING_KEYS": KEYS,
        "QUIRE_PORT": str(port),
    }
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

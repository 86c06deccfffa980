"""`kill -9` of the process that holds the embedded broker."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from broker.connection import connect
from broker.embedded import EmbeddedServer, MongoJournal
from ops.servers import Mongod
from tests.broker.conformance.sides import PATIENCE_S, drain

PUBLISHER = """
import asyncio, sys
from aio_pika import Message
from pymongo import AsyncMongoClient
from broker.connection import connect
from broker.embedded import EmbeddedServer, MongoJournal

async def publish(exchange, sender):
    for n in range(100_000):
        body = f"{sender}.{n}"
        await exchange.publish(Message(body.encode(), delivery_mode=2), "work")
        print(body, flush=True)

async def main(url, database):
    async with AsyncMongoClient(url) as client:
        server = EmbeddedServer(MongoJournal(client[database]))
        await server.start()
        channel = await (await connect(server, name="publisher")).channel()
        await channel.declare_queue("work", durable=True)
        await asyncio.gather(*(publish(channel.default_exchange, s) for s in range(16)))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_no_confirmed_message_is_lost_when_the_process_is_killed(
    mongod: Mongod, mongo_database: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """After SIGKILL under load every message whose confirm was seen is in its queue, each sender's in order."""
    script = tmp_path / "publisher.py"
    script.write_text(PUBLISHER, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        mongod.url,
        mongo_database.name,
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdout is not None
    confirmed: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(confirmed) < 400:
            confirmed.append((await process.stdout.readline()).decode().strip())
    process.send_signal(signal.SIGKILL)
    confirmed += (await process.stdout.read()).decode().split("\n")[:-1]
    await process.wait()

    server = EmbeddedServer(MongoJournal(mongo_database))
    await server.start()
    ready = server.overview()[0].ready
    connection = await connect(server, name="after")
    queue = await (await connection.channel()).declare_queue("work", durable=True)
    bodies = await drain(queue, ready)
    await connection.close()
    await server.stop()
    assert not set(confirmed) - set(bodies)
    for sender in range(16):
        numbers = [int(body.split(".")[1]) for body in bodies if body.startswith(f"{sender}.")]
        assert numbers == list(range(len(numbers)))

"""What rabbitmq.conf, the definitions, the replica set and the cache's flags come to, on servers of this machine."""

import asyncio
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from redis.asyncio import Redis as RedisClient

from broker import declare
from broker.connection import connect
from broker.topology import bindings
from ops.containers.definitions import CONSOLE_USER, VHOST
from ops.containers.replica_set import NoPrimary, found
from ops.servers import Mongod
from ops.servers.ports import free_port
from tests.ops.test_containers.commands import python, run
from tests.ops.test_containers.composed import compose
from tests.ops.test_containers.conftest import Node


async def test_rabbitmq_imports_the_topology(node: Node) -> None:
    """After its start the node has every exchange, queue and binding, and declaring them again changes nothing."""
    connection = await connect(node.url, name="test")
    try:
        assert await declare.check(connection) == []
        before = await node.server.management("GET", f"bindings/{VHOST}")
        await declare.apply(connection)
        after = await node.server.management("GET", f"bindings/{VHOST}")
    finally:
        await connection.close()
    assert before == after
    assert sum(1 for each in after if each["source"]) == len(list(bindings()))


async def test_the_console_looks_and_changes_nothing(node: Node) -> None:
    """People at the console see queues and read dead letters; they can neither publish nor delete."""
    base = f"{node.server.management_url}/api"
    async with httpx.AsyncClient(auth=(CONSOLE_USER, node.console_password)) as client:
        seen = await client.get(f"{base}/queues/{VHOST}")
        assert {"carts.0", "payments.dead"} <= {queue["name"] for queue in seen.json()}
        look = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
        assert (await client.post(f"{base}/queues/{VHOST}/carts.dead/get", json=look)).status_code == 200
        assert (await client.delete(f"{base}/queues/{VHOST}/carts.dead")).status_code in (401, 403)
        letter = {"routing_key": "carts.dead", "payload": "x", "payload_encoding": "string", "properties": {}}
        said = await client.post(f"{base}/exchanges/{VHOST}/amq.default/publish", json=letter)
        assert said.status_code in (400, 401, 403)
    assert await messages_in(node, "carts.dead") == 0


async def messages_in(node: Node, queue: str) -> int:
    """How many messages a queue holds, asked on a channel rather than from the console's late figures."""
    connection = await connect(node.url, name="test")
    async with connection:
        channel = await connection.channel()
        found = await channel.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0


async def test_the_replica_set_is_founded_once(mongo: str) -> None:
    """The one-shot's command leaves a primary behind, and run again it changes nothing."""
    service = compose()["services"]["mongo-replica-set"]
    name, _ = service["command"]
    for _ in range(2):
        done = await run((*python(service["entrypoint"]), name, mongo), {})
        assert done.returncode == 0, done.said
    with MongoClient[dict[str, Any]](f"mongodb://{mongo}/?replicaSet={name}") as client:
        assert client.admin.command("replSetGetConfig")["config"]["version"] == 1
        assert client.admin.command("hello")["isWritablePrimary"]


async def test_a_node_of_another_replica_set_is_refused(mongod: Mongod) -> None:
    """Founding does not take over what belongs elsewhere: the error names both."""
    with pytest.raises(NoPrimary, match="belongs to the replica set quire, not to other"):
        await asyncio.to_thread(found, "other", f"127.0.0.1:{mongod.port}")


async def test_a_node_that_is_not_there_is_said_so() -> None:
    """Exit status 1 and what stood in the way."""
    with pytest.raises(NoPrimary, match="is not the primary of quire after"):
        await asyncio.to_thread(found, "quire", f"127.0.0.1:{free_port()}", within_s=0.1)


async def test_redis_forgets_rather_than_refuses(cache: str) -> None:
    """The cache is bounded, makes room by itself, and keeps nothing on disk."""
    async with RedisClient.from_url(cache, decode_responses=True) as client:
        said = await client.config_get("maxmemory*", "save", "appendonly")
    assert said["maxmemory"] == str(128 << 20)
    assert said["maxmemory-policy"] == "allkeys-lru"
    assert (said["save"], said["appendonly"]) == ("", "no")

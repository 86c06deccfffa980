"""One server as a child process behind its guard."""

import asyncio
import fcntl
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from ops.servers.errors import ServerFailed

GUARD = Path(__file__).with_name("guard.py")
LOG_BYTES_MAX = 8 * 1024 * 1024
POLL_S = 0.03


class Child:
    """A running program that ends with this process. Made by `Child.start`."""

    def __init__(self, name: str, log: Path, guard: asyncio.subprocess.Process, pid: int) -> None:
        self.name = name
        self.log = log
        self.pid = pid
        self._guard = guard

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        grace_s: float = 20,
    ) -> Self:
        """Start `command` in `folder`; what it prints goes to `<name>.log` there.

        A run before this one whose parent was killed may still be ending: its lock on the folder is awaited.

        Args:
            name: names the log and the errors; one child of this name at a time lives in a folder.
            command: the program and its arguments.
            folder: must exist; becomes the working directory.
            env: the whole environment, or None for this process's own.
            grace_s: seconds that the program has to end after SIGTERM before it is killed.

        Raises:
            ServerFailed: the run before this one does not end, or the program cannot be executed.
        """
        log = folder / f"{name}.log"
        lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await _locked(lock, name, log, grace_s + 10)
            with _fresh_log(log).open("ab") as output:
                guard = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", str(GUARD), str(grace_s), str(lock), "--", *command),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=output,
                    cwd=folder,
                    env=env,
                    pass_fds=(lock,),
                    start_new_session=True,
                )
        finally:
            os.close(lock)  # the guard and the program hold it from here on
        assert guard.stdin is not None
        assert guard.stdout is not None
        try:
            first = await guard.stdout.readline()
        except asyncio.CancelledError:
            guard.stdin.close()  # which ends the program
            raise
        if not first:
            raise ServerFailed(name, "could not be guarded", log)
        return cls(name, log, guard, int(first))

    @property
    def running(self) -> bool:
        """Whether the program still runs, as far as the event loop has heard."""
        return self._guard.returncode is None

    async def until(self, ready: Callable[[], Awaitable[bool]], *, within_s: float) -> None:
        """Wait until `ready()` is true.

        Raises:
            ServerFailed: the program ended before that, or `within_s` seconds went by.
        """
        deadline = time.monotonic() + within_s
        while not await ready():
            if not self.running:
                raise ServerFailed(
                    self.name, f"ended at its start with status {self._guard.returncode}", self.log
                )
            if time.monotonic() > deadline:
                raise ServerFailed(self.name, f"was not ready within {within_s:g} s", self.log)
            await asyncio.sleep(POLL_S)

    async def wait(self) -> int:
        """Wait until the program has ended; its exit status (128 + n when signal n ended it)."""
        return await self._guard.wait()

    async def stop(self) -> int:
        """SIGTERM, then SIGKILL after the grace period; returns when it is gone, with its exit status."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        return await self.wait()

    async def kill(self) -> None:
        """SIGKILL: as if the machine had taken it; returns when it is gone."""
        self.signal(signal.SIGKILL)
        await self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal (SIGSTOP and SIGCONT freeze and thaw it); nothing when it has ended."""
        if self.running:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


async def _locked(lock: int, name: str, log: Path, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise ServerFailed(name, "of an earlier run in the same folder still runs", log) from error
            await asyncio.sleep(POLL_S)
        else:
            return


def _fresh_log(log: Path) -> Path:
    """Keep one earlier log once it has grown large."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    return log

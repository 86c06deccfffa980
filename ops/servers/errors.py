"""What can go wrong with a server of our own, each with a message that says what to do."""

from pathlib import Path

LOG_LINES_SHOWN = 15


class ServerError(Exception):
    """A server could not be had; the message is meant for the person at the terminal."""


class ServerMissing(ServerError):
    """The program is not on this machine; the message says how to get it."""


class ServerFailed(ServerError):
    """The program is there, but did not start or did not stay; the message ends with its last log lines."""

    def __init__(self, name: str, what: str, log: Path) -> None:
        self.name = name
        self.log = log
        tail = last_lines(log, LOG_LINES_SHOWN)
        shown = "\n".join(f"  {line}" for line in tail) if tail else "  (it has written nothing)"
        super().__init__(f"{name} {what}. The end of its log, {log}:\n{shown}")


class FolderInUse(ServerError):
    """Another process owns the data folder; `pid` names it, None when it could not be read."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        self.folder = folder
        self.pid = pid
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"the data folder {folder} is in use by {holder}: "
            "stop that one first, or use another folder (--data DIR)"
        )


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines of a text file, read from its last 64 KiB; none when it is not there."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 65536))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []

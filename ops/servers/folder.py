"""One process at a time owns a data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.servers.errors import FolderInUse

LOCK_NAME = "owner.lock"


@contextmanager
def own(folder: Path) -> Iterator[Path]:
    """Own `folder` (made, mode 0700, where it is absent) until the block ends; yields its absolute path.

    The lock is the kernel's (flock): it goes with the process, also when that one is killed, so a stale file
    never stands in the way.

    Raises:
        FolderInUse: another process owns it; the error names that process.
    """
    folder = folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Never removed: between a removal and a new creation two processes could each lock a file of that name.
    fd = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(folder, _holder(fd)) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield folder
    finally:
        os.close(fd)


def _holder(fd: int) -> int | None:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else None

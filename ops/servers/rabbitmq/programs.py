"""The programs of RabbitMQ and Erlang, on this machine or in another system below a folder."""

import shutil
from pathlib import Path

from ops.servers.child import Child
from ops.servers.errors import ServerMissing
from ops.servers.ports import listening

# Debian's /usr/sbin/rabbitmq-server changes to a user who may not write our folder: the scripts behind it.
SCRIPTS = ("usr/lib/rabbitmq/bin", "usr/local/sbin", "opt/rabbitmq/sbin", "opt/homebrew/sbin")
EPMD_WITHIN_S = 20
# RabbitMQ reads its memory and its disk in /proc, so it gets one, in a mount namespace that ends with it.
IN_ANOTHER_SYSTEM = (
    *("unshare", "--mount", "--propagation", "private"),
    *("sh", "-c", 'mount -t proc proc "$1/proc" && exec chroot "$@"', "sh"),
)


def program(name: str, root: Path | None) -> str:
    """Where a program of RabbitMQ or Erlang stands, as seen from inside `root`."""
    system = root or Path("/")
    for place in (*SCRIPTS, "usr/bin"):
        if (system / place / name).exists():
            return f"/{place}/{name}"
    found = shutil.which(name) if root is None else None
    if found is None:
        where = f"in {root}" if root else "on this machine"
        raise ServerMissing(
            f"no RabbitMQ {where} ({name} is missing): install it (Debian: apt-get install "
            "--no-install-recommends rabbitmq-server), or give the URL of one"
        )
    return found


def inside(root: Path | None) -> tuple[str, ...]:
    """The words before a command that is to run in `root`."""
    return (*IN_ANOTHER_SYSTEM, str(root)) if root else ()


async def start_epmd(folder: Path, port: int, root: Path | None) -> Child:
    """A port mapper on a port of its own. One started by Erlang itself would go into the background and outlive us."""
    command = (*inside(root), program("epmd", root), "-port", str(port), "-address", "127.0.0.1")
    epmd = await Child.start("epmd", command, folder, grace_s=2)
    try:
        await epmd.until(lambda: listening(port), within_s=EPMD_WITHIN_S)
    except BaseException:
        await epmd.stop()
        raise
    return epmd

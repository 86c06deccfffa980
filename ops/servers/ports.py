"""Ports of 127.0.0.1 for servers of our own."""

import asyncio
import random
import socket

# Below the range from which Linux and macOS take the ports of outgoing connections (32768 and 49152 on), so
# that none of those comes in between the choice of a port and the server's start.
FIRST_PORT, LAST_PORT = 20_000, 32_000
ATTEMPTS_MAX = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(preferred: int | None = None) -> int:
    """The preferred port if it is free, else a random free one: two processes seldom agree on it."""
    if preferred is not None and is_free(preferred):
        return preferred
    for _ in range(ATTEMPTS_MAX):
        port = random.randint(FIRST_PORT, LAST_PORT)
        if is_free(port):
            return port
    raise OSError(
        f"no free port of 127.0.0.1 between {FIRST_PORT} and {LAST_PORT} in {ATTEMPTS_MAX} attempts"
    )


async def listening(port: int) -> bool:
    """Whether something accepts connections on this port of 127.0.0.1."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True

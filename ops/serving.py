"""uvicorn within a process that decides for itself when it stops."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class PortTaken(OSError):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"http://{host}:{port} cannot be opened ({error.strerror}): choose another with --port"
        )


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process decides when it stops."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """The open port; 0 takes a free one. Raises `PortTaken`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise PortTaken(host, port, error) from error

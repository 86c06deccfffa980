"""A worker's own HTTP: how it is, and what it counts.

/health/live    200: its event loop turns        /health/ready    200, or 503 while broker or database is away
/metrics        what Prometheus scrapes
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog
import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from broker.runtime import Runtime
from ops.serving import Server, listen

log = structlog.get_logger(__name__)

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
METHODS = ("GET", "HEAD")


class Endpoint:
    """An ASGI application of three paths."""

    def __init__(self, registry: CollectorRegistry, runtime: Runtime) -> None:
        self._registry = registry
        self._runtime = runtime

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answers a request; nothing of its body is read."""
        assert scope["type"] == "http"
        status, kind, body = self._answer(scope["method"], scope["path"])
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        if method not in METHODS:
            return 405, TEXT, b"only GET and HEAD\n"
        match path:
            case "/health/live":
                return 200, JSON, b'{"status":"live"}'
            case "/health/ready":
                trouble = self._runtime.trouble
                return 503 if trouble else 200, JSON, _ready(trouble, self._runtime.outside)
            case "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        return 404, TEXT, b"/health/live, /health/ready, /metrics\n"


def _ready(trouble: dict[str, str], outside: dict[str, str]) -> bytes:
    """What is wrong, by part; what is wrong outside (a gateway's open circuit) leaves the worker ready."""
    status = "worker not ready" if trouble else "ready"
    return msgspec.json.encode({"status": status, "trouble": trouble, "outside": outside})


@asynccontextmanager
async def answering(host: str, port: int, application: Endpoint) -> AsyncIterator[str]:
    """The endpoint on an address, for as long as the block lasts; yields its URL. Raises `PortTaken`."""
    config = uvicorn.Config(
        application, lifespan="off", log_config=None, access_log=False, server_header=False
    )
    listening = listen(host, port)
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]), name="worker's http")
    try:
        url = f"http://{host}:{listening.getsockname()[1]}"
        log.info("worker.answers", url=url)
        yield url
    finally:
        server.should_exit = True
        await asyncio.gather(task)
        listening.close()

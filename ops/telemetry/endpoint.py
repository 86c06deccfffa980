"""A worker's own HTTP: how it is, and what it counts.

/health/live    200: its event loop turns        /health/ready    200, or 503 while broker or database is away
/metrics        what Prometheus scrapes
"""

from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from broker.runtime import Runtime

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

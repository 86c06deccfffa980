"""What a worker answers over HTTP."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from ops.serving import answering
from ops.telemetry import Series
from ops.telemetry.endpoint import Endpoint

runtime: Any = SimpleNamespace(trouble={}, outside={})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a worker's endpoint; the worker is ready."""
    runtime.trouble = {}
    async with (
        answering(Endpoint(Series().registry, runtime), "127.0.0.1", 0) as server,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        yield http


async def test_ready_follows_the_worker(client: httpx.AsyncClient) -> None:
    """200 while it can work and 503 while it cannot; it is live all the same."""
    assert (await client.get("/health/ready")).json()["status"] == "ready"
    runtime.trouble = {"broker": "no connection"}
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["trouble"]) == (503, {"broker": "no connection"})
    assert (await client.get("/health/live")).json() == {"status": "live"}
    assert answer.headers["cache-control"] == "no-store"


async def test_metrics_in_prometheus_format(client: httpx.AsyncClient) -> None:
    """The series of the process, as Prometheus' text."""
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE quire_batch_size histogram" in answer.text
    assert "process_resident_memory_bytes" in answer.text


async def test_nothing_else_is_answered(client: httpx.AsyncClient) -> None:
    """Other paths are a 404, other methods a 405, and HEAD has no body."""
    assert (await client.get("/")).status_code == 404
    assert (await client.post("/metrics")).status_code == 405
    head = await client.head("/metrics")
    assert (head.status_code, head.content) == (200, b"")

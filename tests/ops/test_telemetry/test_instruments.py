"""What a process measures itself with follows from its settings."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from broker.telemetry import SILENT
from ops.settings import Settings
from ops.telemetry import UNMEASURED, instruments

SAMPLED = [(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Something that takes OTLP/HTTP; its address, and the path and body of each request."""
    taken: list[tuple[str, bytes]] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_spans_reach_the_collector() -> None:
    """What was sampled is sent as OTLP/HTTP with the process's name, at the latest at the end."""
    with collector() as (url, taken):
        measured = instruments(Settings(otlp_endpoint=url, trace_ratio=0.0), "quire-test")
        span = measured.telemetry.request("GET", "/v1/books", SAMPLED)
        assert span is not None
        measured.telemetry.answered(span, "GET", "/v1/books", 200, 0.1, "c")
        assert measured.telemetry.request("GET", "/v1/books", []) is None
        await measured.close()
    ((path, body),) = taken
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert path == "/v1/traces"
    assert [each.name for scope in resource.scope_spans for each in scope.spans] == ["GET /v1/books"]
    named = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert named["service.name"] == "quire-test"


async def test_without_a_collector_nothing_is_traced() -> None:
    """Metrics are counted all the same, and ending has nothing to wait for."""
    measured = instruments(Settings(), "quire-test")
    assert measured.series is not None
    assert measured.telemetry.request("GET", "/v1/books", SAMPLED) is None
    await measured.close()


def test_telemetry_can_be_turned_off() -> None:
    """Then nobody listens, even where a collector is named."""
    measured = instruments(Settings(telemetry=False, otlp_endpoint="http://127.0.0.1:1"), "quire-test")
    assert measured is UNMEASURED
    assert measured.telemetry is SILENT

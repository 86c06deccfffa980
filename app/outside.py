"""What every answer of the edge has, whatever it is: a correlation id, security headers, a line in the metrics,
and where requests are limited, what is left of them.

What everybody reads is answered here as well, from memory, where it was answered before: see `app.finished`.

HEAD is answered here, for every GET there is: the same answer without its body (RFC 9110, 9.3.2).
"""

import asyncio
import re
import time
from functools import cached_property
from typing import Any, Final

import structlog
import uuid_utils
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.routes import HTTPRoute
from litestar.types import LifeSpanReceive, LifeSpanScope, LifeSpanSend, Message, Receive, Scope, Send

from app.edge import Edge
from app.etags import matches
from app.express import fits, take
from app.finished import HEADERS, Finished
from app.limits import enter, refusal
from app.problems import allowed
from app.security.throttle import Allowance, Throttled

CORRELATION_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
UNMATCHED = "(none)"


class EdgeApplication(Litestar):
    """A Litestar application with something round it: routes, unknown routes and errors alike pass through here."""

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        """Entry point; see the module."""
        if scope["type"] != ScopeType.HTTP:
            await super().__call__(scope, receive, send)
            return
        http: Any = scope
        edge: Edge = self.state.edge
        # Where requests are limited, nothing is answered before its allowance was taken.
        finished = edge.finished.find(http) if edge.limit is None else None
        if finished is not None:
            await self._again(edge, http, finished, send)
            return
        correlation_id = _correlation_id(http["headers"])
        http["state"] = {**http.get("state", {}), "correlation_id": correlation_id}
        method = http["method"]
        started = time.perf_counter()
        if (span := edge.telemetry.request(method, http["path"], http["headers"])) is not None:
            http["state"]["traceparent"] = span.traceparent
        status, allowance = 500, None
        if method == "HEAD":
            # A copy: the server looks at its own whether a body is to come.
            http = {**http, "method": "GET"}
            receive, send = without_body(send)

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(message, correlation_id, status, allowance)
                if method == "OPTIONS":
                    self._name_methods(message, http.get("path_template"))
            await send(message)  # type: ignore[arg-type]

        bound = structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
        try:
            allowance = await self._allowance(http)
            await self._answer(edge, http, receive, send_dressed)
        except Throttled as error:
            allowance = error.allowance
            for message in refusal(http, error):
                await send_dressed(message)
        finally:
            route = http.get("path_template") or UNMATCHED
            seconds = time.perf_counter() - started
            edge.metrics.answered(method, route, status, seconds)
            edge.telemetry.answered(span, method, route, status, seconds, correlation_id)
            structlog.contextvars.reset_contextvars(**bound)

    async def _answer(self, edge: Edge, http: Any, receive: Any, send: Any) -> None:
        """From the route, or from what stands in for it (`app.express`)."""
        if fits(http):
            # As Litestar does: the credential is read with what the application holds.
            http["litestar_app"] = self
            sent, receive = await take(edge, http, receive)
            if sent is not None:
                await send(_start(sent.status, sent.headers))
                await send({"type": "http.response.body", "body": sent.body, "more_body": False})
                return
        await super().__call__(http, receive, send)

    @staticmethod
    async def _again(edge: Edge, http: Any, finished: Finished, send: Any) -> None:
        """Gives an answer that was given before: counted, traced, logged and named as the others are."""
        started = time.perf_counter()
        method, asked = http["method"], http["headers"]
        correlation_id = _correlation_id(asked)
        span = edge.telemetry.request(method, http["path"], asked)
        known = [value.decode("latin-1") for name, value in asked if name.lower() == b"if-none-match"]
        status, headers, body = 200, finished.headers, finished.body
        if known and matches(known, finished.etag):
            status, headers, body = 304, finished.unchanged, b""
        elif method == "HEAD":
            body = b""
        try:
            named = (b"x-correlation-id", correlation_id.encode())
            await send(_start(status, [*headers, named]))
            await send({"type": "http.response.body", "body": body, "more_body": False})
        finally:
            seconds = time.perf_counter() - started
            edge.metrics.answered(method, finished.route, status, seconds)
            edge.telemetry.answered(span, method, finished.route, status, seconds, correlation_id)

    @cached_property
    def _methods(self) -> dict[str, set[str]]:
        """What each path knows, by its template: a path may have several routes, and Litestar answers from one."""
        known: dict[str, set[str]] = {}
        for route in self.routes:
            if isinstance(route, HTTPRoute):
                known.setdefault(route.path_format, set()).update(route.methods)
        return known

    def _name_methods(self, message: Any, path: str | None) -> None:
        if path in self._methods:
            methods = allowed(", ".join(self._methods[path])).encode()
            others = [header for header in message["headers"] if header[0].lower() != b"allow"]
            message["headers"] = [*others, (b"allow", methods)]

    async def _allowance(self, http: Any) -> Allowance | None:
        """What is left to this client where requests are limited. Raises `Throttled`."""
        limit = self.state.edge.limit
        if limit is None:
            return None
        # As Litestar does: the credential is read with what the application holds.
        http["litestar_app"] = self
        return await enter(limit, http)


def without_body(send: Any) -> tuple[Any, Any]:
    """Both ends of a HEAD request, answered as a GET: nothing comes in, the body of the answer stays here.

    A stream, which would go on, is told that its reader is gone.
    """
    asked, answered = False, asyncio.Event()

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send_head(message: Any) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            answered.set()

    return receive, send_head


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _correlation_id(headers: list[tuple[bytes, bytes]]) -> str:
    """As the sender names it, where that is fit for logs and headers; else a new one."""
    for name, value in headers:
        if name.lower() == b"x-correlation-id" and CORRELATION_ID.fullmatch(value):
            return value.decode("ascii")
    return str(uuid_utils.uuid7())


def _dress(message: Any, correlation_id: str, status: int, allowance: Allowance | None) -> None:
    """Adds what is missing; a route's own header of the same name stays."""
    headers = list(message["headers"])
    present = {name.lower() for name, _ in headers}
    headers.append((b"x-correlation-id", correlation_id.encode()))
    headers += [header for header in HEADERS if header[0] not in present]
    if allowance is not None:
        limits = {name.lower().encode(): value.encode() for name, value in allowance.headers.items()}
        headers += [header for header in limits.items() if header[0] not in present]
    if status >= 400 and b"cache-control" not in present:
        headers.append((b"cache-control", b"no-store"))
    message["headers"] = headers

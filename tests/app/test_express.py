"""Additions to carts beside Litestar: what is answered and what is sent is what the route would, whatever comes."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from httpx import AsyncClient, Response
from pymongo.errors import ServerSelectionTimeoutError

import app.outside
from app import intake
from app.application import Edge
from app.express import BODY_BYTES_MAX, take
from broker.messages import Envelope
from broker.publish import BrokerUnavailable, MessageTooLarge, OutcomeUnknown, Unroutable
from documents.operations import Outcome, Receipt
from tests.app.edges import ISBN, WAIT, ScriptedWorker, Verdict, guest_cart, serving, sign_in, until

ITEM = {"isbn": ISBN, "quantity": 2}
NAMED = {"X-Correlation-ID": "the-same"}
JSON = {"Content-Type": "application/json"}
EXPRESS, ROUTE = True, False


class Both:
    """Sends a request both ways; notes which of them took it, and what was published."""

    def __init__(
        self, edge: Edge, client: AsyncClient, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.client = client
        self.took: list[bool] = []
        self._published: list[Envelope] = []
        self._worker = worker
        self._patch = monkeypatch
        # The same id twice: answers name it.
        uuids = SimpleNamespace(uuid7=lambda: SimpleNamespace(hex="ab" * 16))
        monkeypatch.setattr(intake, "uuid_utils", uuids)
        publish = edge.publisher.publish

        async def watched(envelope: Envelope, *place: str, reply_to: str | None = None) -> None:
            await publish(envelope, *place, reply_to=reply_to)
            self._published.append(envelope)

        monkeypatch.setattr(edge.publisher, "publish", watched)

    async def post(
        self, cart_id: str, headers: dict[str, str], *, anew: bool = True, **body: Any
    ) -> Response:
        """The answer, after a look whether both are alike, and what they sent; `anew`: each is the first of its key."""
        first, sent = await self._one(cart_id, headers, body, express=True)
        if anew:
            await Receipt.get_pymongo_collection().delete_many({})
        second, again = await self._one(cart_id, headers, body, express=False)
        assert said(first) == said(second)
        assert [envelope_said(each) for each in sent] == [envelope_said(each) for each in again]
        return first

    async def _one(
        self, cart_id: str, headers: dict[str, str], body: dict[str, Any], *, express: bool
    ) -> tuple[Response, list[Envelope]]:
        async def watched(edge: Edge, scope: Any, receive: Any) -> Any:
            sent, receive = await take(edge, scope, receive)
            self.took.append(sent is not None)
            return sent, receive

        async def never(_: Edge, __: Any, receive: Any) -> Any:
            return None, receive

        self._patch.setattr(app.outside, "take", watched if express else never)
        before = len(self._published)
        url = f"/v1/carts/{cart_id}/items"
        answer = await self.client.post(url, headers=NAMED | headers, **(body or {"json": ITEM}))
        await until(lambda: self._worker.settled == len(self._published))
        return answer, self._published[before:]


def said(response: Response) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """All of an answer."""
    return response.status_code, response.content, sorted(response.headers.raw)


def envelope_said(envelope: Envelope) -> dict[str, Any]:
    """All of a message but when it was accepted."""
    fields = {name: getattr(envelope, name) for name in envelope.__struct_fields__ if name != "accepted_at"}
    return fields | {"data": bytes(envelope.data)}


@pytest.fixture
def both(edge: Edge, client: AsyncClient, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch) -> Both:
    """A client of the edge, with a worker behind it."""
    return Both(edge, client, worker, monkeypatch)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        (WAIT, 200),
        ({"Prefer": "respond-async, wait=10"}, 200),
        ({"Prefer": "wait=soon"}, 202),
        ({"Idempotency-Key": "one"}, 202),
        ({"Idempotency-Key": "one"} | WAIT, 200),
        ({"Idempotency-Key": "\xe9"}, 400),
        ({"Idempotency-Key": "x" * 256}, 400),
        ({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}, 202),
        ({"traceparent": "00-zz"}, 202),
    ],
)
async def test_guest(both: Both, headers: dict[str, str], status: int) -> None:
    """A guest's addition, with whatever a command may carry."""
    cart_id, token = await guest_cart(both.client)
    encoded: Any = {name: value.encode("latin-1") for name, value in (token | headers).items()}
    answer = await both.post(cart_id, encoded)
    assert answer.status_code == status
    assert both.took == [EXPRESS]


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(Outcome.REJECTED, problem={"code": "cart_full", "detail": "no room", "lines_max": 1}),
        Verdict(Outcome.REJECTED, problem={"code": "quantity_too_large", "detail": "too many"}),
        Verdict(Outcome.FAILED, problem={"code": "operation_failed", "detail": "a bug"}),
        Verdict(reply=False),
        Verdict(reply=False, write=False),
    ],
)
async def test_outcomes(both: Both, worker: ScriptedWorker, verdict: Verdict) -> None:
    """However it ends for a sender who waits."""

    async def decide(_: Envelope) -> Verdict:
        return verdict

    worker.decide = decide
    cart_id, token = await guest_cart(both.client)
    await both.post(cart_id, token | {"Prefer": "wait=1"})
    assert both.took == [EXPRESS]


async def test_key_reused(both: Both) -> None:
    """The same key again is the same operation; with another body it is refused."""
    cart_id, token = await guest_cart(both.client)
    headers = token | WAIT | {"Idempotency-Key": "one"}
    first = await both.post(cart_id, headers)
    again = await both.post(cart_id, headers, anew=False)
    assert again.json()["id"] == first.json()["id"]
    other = await both.post(cart_id, headers, anew=False, json=ITEM | {"quantity": 3})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert both.took == [EXPRESS] * 3


async def test_signed_in(both: Both) -> None:
    """A shopper's own cart, and a guest's with its token; a bearer that is not good is Litestar's to refuse."""
    ada = await sign_in(both.client)
    own = (await both.client.post("/v1/carts", headers=ada)).json()["id"]
    guests, token = await guest_cart(both.client)
    assert (await both.post(own, ada)).status_code == 202
    assert (await both.post(guests, ada | token)).status_code == 202
    assert both.took == [EXPRESS] * 2
    assert (await both.post(own, {"Authorization": "Bearer of nothing"})).status_code == 401
    assert (await both.post(own, {})).status_code == 401
    assert both.took[2:] == [ROUTE] * 2


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({"Cart-Token": "x"}, 404), ({"Cart-Token": "\u00e9"}, 404)]
)
async def test_not_theirs(both: Both, headers: dict[str, str], status: int) -> None:
    """Without the cart's token, or with another."""
    cart_id, _ = await guest_cart(both.client)
    encoded: Any = {name: value.encode("latin-1") for name, value in headers.items()}
    assert (await both.post(cart_id, encoded)).status_code == status
    assert (await both.post("gmade-up", encoded)).status_code == 404
    assert both.took == [ROUTE] * 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"json": {"isbn": ISBN}}, 422),
        ({"json": ITEM | {"quantity": 0}}, 422),
        ({"json": ITEM | {"quantity": "2"}}, 422),
        ({"json": ITEM | {"isbn": "123"}}, 422),
        ({"json": ITEM | {"colour": "red"}}, 422),
        ({"json": []}, 422),
        ({"content": b"{", "headers": JSON}, 400),
        ({"content": b"\xff", "headers": JSON}, 400),
        ({"content": b"[" * 400, "headers": JSON}, 422),
        ({"content": b"", "headers": JSON}, 422),
        ({"data": ITEM}, 415),
        ({"content": b'{"isbn": "%s", "quantity": 2}' % ISBN.encode()}, 202),
        ({"content": b" " * BODY_BYTES_MAX + b'{"isbn": "%s", "quantity": 2}' % ISBN.encode()}, 202),
        ({"content": b" " * 1_000_001, "headers": JSON}, 413),
        ({"json": ITEM, "headers": {"Content-Type": "application/json; charset=utf-8"}}, 202),
    ],
)
async def test_bodies(both: Both, body: dict[str, Any], status: int) -> None:
    """Bodies that are refused, that say of themselves what they are in another way, or nothing."""
    cart_id, token = await guest_cart(both.client)
    headers = token | body.pop("headers", {})
    assert (await both.post(cart_id, headers, **body)).status_code == status


async def test_in_pieces(both: Both) -> None:
    """A body without a length, and one that comes in pieces."""

    async def pieces() -> Any:
        yield b'{"isbn": "%s",' % ISBN.encode()
        yield b' "quantity": 2}'

    cart_id, token = await guest_cart(both.client)
    url, headers = f"/v1/carts/{cart_id}/items", token | JSON
    assert (await both.client.post(url, headers=headers, content=pieces())).status_code == 202
    length = {"Content-Length": str(len(b'{"isbn": "%s", "quantity": 2}' % ISBN.encode()))}
    assert (await both.client.post(url, headers=headers | length, content=pieces())).status_code == 202


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BrokerUnavailable("away"), 503, "broker_unavailable"),
        (Unroutable("nowhere"), 503, "broker_unavailable"),
        (OutcomeUnknown("silence"), 504, "outcome_unknown"),
        (MessageTooLarge("large"), 413, "too_large"),
        (ServerSelectionTimeoutError("away"), 503, "database_unavailable"),
        (ZeroDivisionError("a bug"), 500, "internal_error"),
    ],
)
async def test_not_accepted(both: Both, edge: Edge, error: Exception, status: int, code: str) -> None:
    """Whatever the broker, the database or a bug of ours says."""

    async def publish(*_: object, **__: object) -> None:
        raise error

    edge.publisher.publish = publish  # type: ignore[method-assign]
    cart_id, token = await guest_cart(both.client)
    answer = await both.post(cart_id, token)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert both.took == [EXPRESS]


async def test_counted(edge: Edge, worker: ScriptedWorker) -> None:
    """In the metrics it is the route's."""
    async with serving(edge) as client:
        cart_id, token = await guest_cart(client)
        await client.post(f"/v1/carts/{cart_id}/items", headers=token, json=ITEM)
    metrics = edge.metrics.exposition().decode()
    route = 'quire_http_requests_total{method="POST",route="/v1/carts/{cart_id}/items",status="202"} 1.0'
    assert route in metrics
    assert 'quire_commands_published_total{outcome="accepted",type="AddItem"} 1.0' in metrics


@pytest.mark.parametrize(
    "change",
    [lambda path: path + "/", lambda path: path.replace("/items", "/items/x"), lambda path: "/" + path],
)
async def test_other_paths(both: Both, change: Callable[[str], str]) -> None:
    """Whatever is not exactly the path is not looked at."""
    cart_id, token = await guest_cart(both.client)
    url = change(f"/v1/carts/{cart_id}/items")
    await both.client.post(f"http://quire.test{url}", headers=token, json=ITEM)
    assert not both.took

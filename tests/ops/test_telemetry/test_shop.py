"""A shop that is watched: one purchase is one trace, and the metrics are those of docs/telemetry.md."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from prometheus_client.parser import text_string_to_metric_families

from broker.topology import GROUPS, queues
from ops.demo.shop import Shop
from ops.instance import Instance
from tests.ops.test_telemetry.spans import Kept, id_of, trace_of

PAGE = Path(__file__).parents[3] / "docs" / "telemetry.md"
PATIENCE_S = 15.0
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ROW = re.compile(r"^\| `(quire_\w+)` \| (\w+) \|[^|]*\|([^|]*)\|", re.MULTILINE)


@pytest.fixture
async def client(instance: Instance) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that shop."""
    async with httpx.AsyncClient(base_url=instance.url, timeout=60) as http:
        yield http


async def until(holds: Callable[[], bool], what: str) -> None:
    """Returns once it holds; fails and says what was waited for."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(0.01)


async def purchase(client: httpx.AsyncClient, **headers: str) -> None:
    """A guest's order, until it is confirmed; every request carries the headers."""
    shop = Shop(client, **headers)
    isbn = (await shop.search(available=True, limit=1))["items"][0]["isbn"]
    cart = await shop.new_cart()
    guest = Shop(client, **{"Cart-Token": cart["token"]}, **headers)
    await guest.add(cart["id"], isbn)
    order = await guest.order(cart["id"], "tok_ok", email="ada@example.org")
    async for change in shop.holding(Order_Token=order["token"]).events(order["id"]):
        if change["status"] == "confirmed":
            return


def handled(spans: Iterable[ReadableSpan]) -> set[tuple[str, object]]:
    """Names and groups of the messages that were worked off."""
    return {
        (span.name.removeprefix("process "), (span.attributes or {})["quire.group"])
        for span in spans
        if span.kind is SpanKind.CONSUMER
    }


async def test_a_purchase_is_one_trace_from_the_request_to_the_mail(
    client: httpx.AsyncClient, kept: Kept
) -> None:
    """Requests, publishes, messages and transactions have the sender's trace id and hang together by their parents."""
    await purchase(client, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    trace_id = int(TRACE, 16)
    last = ("OrderConfirmed", "notifications")
    await until(lambda: last in handled(kept.of_trace(trace_id)), "the mail's span")
    spans = kept.of_trace(trace_id)
    assert {
        ("AddItem", "carts"),
        ("PlaceOrder", "carts"),
        ("OrderPlaced", "payments"),
        ("OrderPlaced", "notifications"),
        ("PaymentAuthorized", "orders"),
        ("OrderConfirmed", "shipments"),
        ("OrderConfirmed", "notifications"),
    } <= handled(spans)
    named = {span.name for span in spans}
    assert {"POST /v1/orders", "send PlaceOrder", "send OrderPlaced", "batch", "transaction"} <= named
    ids = {id_of(span) for span in spans} | {int("00f067aa0ba902b7", 16)}
    assert [span.name for span in spans if span.parent is None or span.parent.span_id not in ids] == []
    (mail,) = [
        span
        for span in spans
        if span.name == "process OrderConfirmed" and (span.attributes or {})["quire.group"] == "notifications"
    ]
    by_id = {id_of(span): span for span in spans}
    way = [mail]
    while (parent := way[-1].parent) is not None and parent.span_id in by_id:
        way.append(by_id[parent.span_id])
    assert [span.name for span in reversed(way)] == [
        "POST /v1/orders",
        "process PlaceOrder",
        "process OrderPlaced",
        "process PaymentAuthorized",
        "process OrderConfirmed",
    ]


async def test_what_its_sender_does_not_sample_leaves_no_span(client: httpx.AsyncClient, kept: Kept) -> None:
    """A traceparent whose flag is not set is followed, though every other request is sampled here."""
    other = "11111111111111111111111111111111"
    await purchase(client, traceparent=f"00-{other}-00f067aa0ba902b7-00")
    before = len(kept.spans("GET /v1/subjects"))
    await client.get("/v1/subjects")
    await until(lambda: len(kept.spans("GET /v1/subjects")) > before, "a request of our own decision")
    assert kept.of_trace(int(other, 16)) == []
    assert trace_of(kept.spans("GET /v1/subjects")[-1]) != int(other, 16)


async def test_every_metric_is_documented_and_the_reverse(client: httpx.AsyncClient) -> None:
    """Names, types and labels of /metrics are those of the table in docs/telemetry.md, and nothing else."""
    await purchase(client)
    page = {
        name.removesuffix("_total"): (kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall(PAGE.read_text())
    }
    text = (await client.get("/metrics")).text
    found = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith("quire_"):
            names = {name for sample in family.samples for name in sample.labels} - {"le"}
            found[family.name] = (family.type, frozenset(names))
    assert {name: kind for name, (kind, _) in found.items()} == {
        name: kind for name, (kind, _) in page.items()
    }
    # Nothing went wrong here, so these may have no series yet.
    silent = {"quire_retries", "quire_dead_letters", "quire_redeliveries", "quire_batch_refusals"}
    for name, (_, labels) in found.items():
        assert labels == page[name][1] or (name in silent and not labels), name


async def test_labels_have_no_ids(client: httpx.AsyncClient) -> None:
    """After purchases, groups and queues are the topology's, and no label holds an id, an address or a path."""
    await purchase(client)
    names = {group.name for group in GROUPS}
    known = {spec.name for spec in queues()}
    for family in text_string_to_metric_families((await client.get("/metrics")).text):
        for sample in family.samples:
            if not family.name.startswith("quire_"):
                continue
            assert sample.labels.get("group") in {None, *names}
            assert sample.labels.get("queue") in {None, *known}
            for name, value in sample.labels.items():
                assert len(value) < 64, (name, value)
                assert "@" not in value
                assert not re.search(r"[0-9a-f]{16}|\d{13}", value), (name, value)


async def test_what_moves_with_a_purchase(client: httpx.AsyncClient, kept: Kept) -> None:
    """An order is counted where it is taken, published, waited for and handled; the cache tells its hits."""
    registry = kept.series.registry

    def value(name: str, **labels: str) -> float:
        return registry.get_sample_value(name, labels) or 0.0

    def watched() -> dict[str, float]:
        return {
            "commands": value("quire_commands_published_total", type="PlaceOrder", outcome="accepted"),
            "messages": value("quire_messages_total", group="carts", type="PlaceOrder", outcome="succeeded"),
            "publishes": value("quire_publish_duration_seconds_count", outcome="accepted"),
            "waits": value("quire_message_wait_seconds_count", group="payments"),
            "handled": value("quire_message_handle_seconds_count", group="payments"),
            "batches": value("quire_batch_size_count", loop="ordered"),
            "units": value("quire_batch_duration_seconds_count", loop="unordered"),
            "requests": value("quire_http_requests_total", method="POST", route="/v1/orders", status="200"),
            "hits": value("quire_cache_requests_total", kind="lists", result="hit"),
        }

    before = watched()
    for _ in range(2):
        await client.get("/v1/subjects")
    await purchase(client)
    await until(lambda: all(now > before[name] for name, now in watched().items()), f"more than {before}")
    assert value("quire_worker_ready") == 1
    await until(lambda: value("quire_consumers", queue="payments") == 1, "the queues to be looked at")
    assert value("quire_oldest_pending_operation_seconds") < 60

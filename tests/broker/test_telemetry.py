"""What a worker tells: links where a batch joins many, retries, dead letters, and ids in every log line."""

import asyncio
import random
from typing import Any

import pytest
import structlog
from opentelemetry.trace import StatusCode

from broker.groups import Effects, Transient
from broker.messages import OrderPlaced
from broker.telemetry import HANDLED
from documents.actors import utc_now
from ops.logs import name_message
from ops.telemetry import Series, Told
from ops.telemetry.series import TIERS, TYPES, among
from tests.broker.house import House, add, shopper, unordered, until
from tests.ops.test_telemetry.spans import Kept, id_of, linked, trace_of

MANY = 60


def sampled() -> str:
    """A traceparent whose sender traces."""
    return f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-01"


def placed(order_id: str) -> OrderPlaced:
    """An event of an order that nobody made."""
    return OrderPlaced(
        order_id=order_id,
        status="placed",
        at=utc_now(),
        email="a@b.example",
        owner=None,
        total=1000,
        currency="EUR",
        payment_token="tok_ok",
        lines=(),
    )


async def test_a_batch_of_many_is_linked_to_each(house: House) -> None:
    """Messages of different traces in one transaction keep their traces: links lead to the batch and back."""
    await house.sell()
    kept = Kept()
    parents = {}
    ids = []
    for number in range(MANY):
        sender, cart_id = shopper(number)
        parent = sampled()
        ids.append(await house.send(add(cart_id), sender, traceparent=parent))
        parents[ids[-1]] = parent
    quiet, cart_id = shopper(MANY)
    ids.append(await house.send(add(cart_id), quiet))
    await house.worker(telemetry=kept.told)
    await house.receipts(ids)

    async def told() -> bool:
        return len(kept.spans("process AddItem")) == MANY

    await until(told, "a span for each sampled message")
    messages = {
        (each.attributes or {})["messaging.message.id"]: each for each in kept.spans("process AddItem")
    }
    assert {name: f"{trace_of(span):032x}" for name, span in messages.items()} == {
        name: parent[3:35] for name, parent in parents.items()
    }
    batches = {id_of(each): each for each in kept.spans("batch")}
    joined = [each for each in batches.values() if len(each.links) > 1]
    assert joined, "sixty waiting messages came one by one"
    for batch in joined:
        assert batch.parent is None
        assert trace_of(batch) not in {trace_of(each) for each in messages.values()}
    for name, message in messages.items():
        mine = linked(message) & batches.keys()
        assert mine, name
        assert all(id_of(message) in linked(batches[each]) for each in mine)
    assert {each.parent.span_id for each in kept.spans("transaction") if each.parent} <= batches.keys()


async def test_what_is_not_sampled_makes_no_span(house: House) -> None:
    """Without a traceparent, and with one whose flag says no, nothing is traced; it is counted all the same."""
    await house.sell()
    kept = Kept()
    await house.worker(telemetry=kept.told)
    sender, cart_id = shopper(1)
    no = f"{sampled()[:-1]}0"
    sent = [await house.send(add(cart_id), sender), await house.send(add(cart_id), sender, traceparent=no)]
    await house.receipts(sent)

    async def counted() -> bool:
        return (
            value(kept.series, "quire_messages_total", group="carts", type="AddItem", outcome="succeeded")
            == 2
        )

    await until(counted, "both messages to be counted")
    assert kept.spans() == []


async def test_retries_and_dead_letters_are_counted_traced_and_logged(house: House) -> None:
    """A message that is put off twice and given up: two retries, one dead letter, an error that names its ids."""
    kept = Kept()

    async def never(_message: Any, _desk: Any) -> Effects:
        raise Transient("not now")

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await house.worker(unordered("payments", never, attempts_max=3), telemetry=kept.told)
        event = placed("o1")
        sent = await house.send(event, correlation_id="found-by-this", traceparent=sampled())
        await house.receipt(sent, "payments")

        async def buried() -> bool:
            return any(line["event"] == "message.dead" for line in lines)

        await until(buried, "the dead letter's line")
    series = kept.series
    assert value(series, "quire_retries_total", group="payments", tier="1s") == 1
    assert value(series, "quire_retries_total", group="payments", tier="10s") == 1
    assert value(series, "quire_dead_letters_total", group="payments", reason="attempts spent") == 1
    (line,) = [line for line in lines if line["event"] == "message.dead"]
    assert line["log_level"] == "error"
    named = {name: line[name] for name in ("group", "type", "message_id", "correlation_id", "order_id")}
    assert named == {
        "group": "payments",
        "type": "OrderPlaced",
        "message_id": sent,
        "correlation_id": "found-by-this",
        "order_id": "o1",
    }
    attempts = kept.spans("process OrderPlaced")
    assert [(each.attributes or {})["quire.outcome"] for each in attempts] == ["retried", "retried", "failed"]
    assert all(each.status.status_code is StatusCode.ERROR for each in attempts)
    assert len({trace_of(each) for each in attempts}) == 1


async def test_a_line_within_a_handler_names_the_message(house: House) -> None:
    """Whatever is logged while a message is handled carries its ids; outside nothing is added."""
    seen: list[dict[str, Any]] = []

    async def talks(_message: Any, _desk: Any) -> Effects:
        await asyncio.sleep(0)
        seen.append(dict(name_message(None, "info", {"event": "said", "type": "mine"})))
        return Effects()

    await house.worker(unordered("payments", talks))
    sent = await house.send(placed("o2"))
    await house.receipt(sent, "payments")
    assert [(line["message_id"], line["order_id"], line["type"]) for line in seen] == [(sent, "o2", "mine")]
    assert HANDLED.get() is None
    assert name_message(None, "info", {"event": "alone"}) == {"event": "alone"}


@pytest.mark.parametrize(("ratio", "share"), [(0.0, 0.0), (1.0, 1.0), (0.25, 0.25)])
def test_log_lines_are_sampled_by_correlation_id(ratio: float, share: float) -> None:
    """About the named part of correlation ids is logged, and a correlation id is logged always or never."""
    told = Told(Series(), log_ratio=ratio)
    ids = [f"id-{number}" for number in range(4000)]
    chosen = {each for each in ids if told._logs(each)}
    assert chosen == {each for each in ids if told._logs(each)}
    assert abs(len(chosen) / len(ids) - share) < 0.03


def value(series: Series, name: str, /, **labels: str) -> float:
    """A sample as it is scraped; 0 where there is none."""
    return series.registry.get_sample_value(name, labels) or 0.0


def test_a_name_that_nobody_knows_makes_no_series_of_its_own() -> None:
    """Types and tiers that are on no list count as `other`."""
    for known in (TIERS, TYPES):
        one = next(iter(known))
        assert among(one, known) == one
        assert among("made up by a client", known) == "other"

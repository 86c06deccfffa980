"""Payments on the simulated gateway and a real database: each token's way, and what undoes it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from broker.groups import Transient, UnorderedGroup
from broker.messages import (
    ExpireOrder,
    Message,
    OrderCancelled,
    OrderPlaced,
    OrderShipped,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentExpired,
    PaymentRefunded,
    PaymentVoided,
    RefundRequested,
    Sender,
)
from broker.topology import BY_NAME
from documents.payments import Payment, PaymentStatus
from handlers.payments import BoundedGateway, OutOfStep, Payments, SimulatedGateway, payments
from tests.handlers.desks import House, deliver
from tests.handlers.order_events import CANCELLED, EXPIRE, ORDER, REFUND, SHIPPED, TOTAL, placed

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture
async def gateway(mongo_database: Database) -> AsyncIterator[SimulatedGateway]:
    """A gateway whose books are dropped afterwards."""
    yield SimulatedGateway(mongo_database, slow_s=0.05)
    await mongo_database.client.drop_database(f"{mongo_database.name}_gateway")


@pytest.fixture
def house() -> House:
    """Nothing has happened yet."""
    return House()


def group_on(gateway: SimulatedGateway) -> UnorderedGroup:
    """The group, with a limit short enough for a test."""
    handlers = Payments(BoundedGateway(gateway, timeout_s=0.4))
    return UnorderedGroup(
        "payments",
        {
            OrderPlaced: handlers.authorise,
            OrderShipped: handlers.capture,
            OrderCancelled: handlers.cancel,
            RefundRequested: handlers.refund,
            ExpireOrder: handlers.expire,
        },
    )


async def tell(house: House, gateway: SimulatedGateway, *messages: Message) -> None:
    """Delivers messages one after the other, each under an id of its own."""
    group = group_on(gateway)
    for message in messages:
        message_id = f"{type(message).__name__}-{len(house.receipts)}"
        await deliver(house, group.handlers[type(message)], message, message_id)


def status(house: House) -> PaymentStatus:
    """Where the order's payment stands."""
    payment = house.get(Payment, ORDER)
    assert payment is not None
    return payment.status


async def entries(gateway: SimulatedGateway) -> list[tuple[str, int]]:
    """The gateway's own books on the order."""
    return [(each["entry"], each["amount"]) async for row in gateway.ledger() for each in row["entries"]]


def test_the_group_handles_exactly_what_its_queue_takes(mongo_database: Database) -> None:
    """Every event that the topology binds to the queue has a handler, and so has its command."""
    group = payments(SimulatedGateway(mongo_database))
    assert set(group.handlers) == {*BY_NAME["payments"].events, ExpireOrder}


@pytest.mark.parametrize("token", ["tok_ok", "tok_flaky", "tok_slow", "tok_lost"])
async def test_a_card_that_charges_is_authorised_once(
    token: str, house: House, gateway: SimulatedGateway
) -> None:
    """Slow, flaky or with its answer lost: one delivery ends authorised, with one charge of the order's total."""
    await tell(house, gateway, placed(token))
    assert status(house) is PaymentStatus.AUTHORIZED
    assert house.sent == [PaymentAuthorized(order_id=ORDER, amount=TOTAL, currency="EUR")]
    assert await entries(gateway) == [("authorized", TOTAL)]


@pytest.mark.parametrize(
    ("token", "reason"),
    [("tok_declined", "card_declined"), ("tok_made_up", "unknown_token"), ("", "unknown_token")],
)
async def test_a_card_that_does_not_is_declined(
    token: str, reason: str, house: House, gateway: SimulatedGateway
) -> None:
    """The gateway's reason is told, and stands on the payment."""
    await tell(house, gateway, placed(token))
    assert status(house) is PaymentStatus.DECLINED
    assert house.sent == [PaymentDeclined(order_id=ORDER, reason=reason)]
    assert await entries(gateway) == [("declined", 0)]


async def test_shipping_captures_and_a_refund_gives_back(house: House, gateway: SimulatedGateway) -> None:
    """Authorised, captured, refunded: each once, however often its event is told."""
    await tell(house, gateway, placed(), placed(), SHIPPED, SHIPPED, REFUND, REFUND)
    assert await entries(gateway) == [("authorized", TOTAL), ("captured", TOTAL), ("refunded", TOTAL)]
    assert [type(each) for each in house.sent] == [PaymentAuthorized, PaymentCaptured, PaymentRefunded]


async def test_cancelling_voids(house: House, gateway: SimulatedGateway) -> None:
    """An authorised payment of a cancelled order is given back, once."""
    await tell(house, gateway, placed(), CANCELLED, CANCELLED)
    assert await entries(gateway) == [("authorized", TOTAL), ("voided", TOTAL)]
    assert house.told(PaymentVoided) == [PaymentVoided(order_id=ORDER)]


async def test_cancelled_before_placed_never_charges(house: House, gateway: SimulatedGateway) -> None:
    """A late OrderPlaced finds the payment voided and does not call the gateway."""
    await tell(house, gateway, CANCELLED, placed())
    assert status(house) is PaymentStatus.VOIDED
    assert await entries(gateway) == []
    assert house.sent == []


async def test_cancelling_a_declined_payment_changes_nothing(house: House, gateway: SimulatedGateway) -> None:
    """What was declined needs no void."""
    await tell(house, gateway, placed("tok_declined"), CANCELLED)
    assert status(house) is PaymentStatus.DECLINED
    assert await entries(gateway) == [("declined", 0)]


async def test_an_unpaid_order_expires_and_is_never_charged_after(
    house: House, gateway: SimulatedGateway
) -> None:
    """The gateway knows of nothing: expired, and neither a late OrderPlaced nor a late call charges."""
    await tell(house, gateway, EXPIRE, placed())
    assert house.sent == [PaymentExpired(order_id=ORDER)]
    late = await gateway.authorise(ORDER, TOTAL, "EUR", "tok_ok")
    assert not late.holds
    assert await entries(gateway) == [("voided", 0)]


async def test_a_charge_whose_record_was_lost_is_found_when_it_is_due(
    house: House, gateway: SimulatedGateway
) -> None:
    """Charged, and the worker died before it could say so: expiry asks, and the order is confirmed, not cancelled."""
    await gateway.authorise(ORDER, TOTAL, "EUR", "tok_ok")
    await tell(house, gateway, EXPIRE)
    assert house.sent == [PaymentAuthorized(order_id=ORDER, amount=TOTAL, currency="EUR")]
    assert status(house) is PaymentStatus.AUTHORIZED


async def test_expiry_repeats_a_settled_outcome(house: House, gateway: SimulatedGateway) -> None:
    """Where the outcome's message is what got lost, expiry tells it again."""
    await tell(house, gateway, placed("tok_declined"), EXPIRE)
    assert house.told(PaymentDeclined) == [PaymentDeclined(order_id=ORDER, reason="card_declined")] * 2


async def test_only_the_shop_may_expire_an_order(house: House, gateway: SimulatedGateway) -> None:
    """A shopper's ExpireOrder is rejected, whatever let it through."""
    handler = group_on(gateway).handlers[ExpireOrder]
    assert await deliver(house, handler, EXPIRE, sender=Sender("user:1")) == "rejected not_permitted"
    assert house.documents == {}


async def test_a_refund_waits_for_its_capture(house: House, gateway: SimulatedGateway) -> None:
    """Events overtake each other: a refund before the capture is tried again, and goes through after it."""
    await tell(house, gateway, placed())
    with pytest.raises(Transient):
        await tell(house, gateway, REFUND)
    await tell(house, gateway, SHIPPED, REFUND)
    assert status(house) is PaymentStatus.REFUNDED


async def test_shipping_what_was_voided_is_never_captured(house: House, gateway: SimulatedGateway) -> None:
    """An order that contradicts its payment is not papered over: it goes to the dead letters."""
    await tell(house, gateway, placed(), CANCELLED)
    with pytest.raises(OutOfStep, match=ORDER):
        await tell(house, gateway, SHIPPED)
    assert await entries(gateway) == [("authorized", TOTAL), ("voided", TOTAL)]


async def test_a_worker_that_dies_in_the_call_leaves_an_intent(
    house: House, gateway: SimulatedGateway
) -> None:
    """Killed while the answer is awaited: the intent stands, and the next delivery asks instead of charging again."""
    handler = Payments(gateway).authorise  # no limit of its own: it waits for the lost answer
    dying = asyncio.create_task(deliver(house, handler, placed("tok_lost")))
    async with asyncio.timeout(10):
        while await gateway.find(ORDER) is None:
            pass
    dying.cancel()
    await asyncio.wait([dying])
    assert status(house) is PaymentStatus.AUTHORISING
    assert await deliver(house, handler, placed("tok_lost")) == "succeeded"
    assert status(house) is PaymentStatus.AUTHORIZED
    assert await entries(gateway) == [("authorized", TOTAL)]


async def test_the_real_limits_settle_a_lost_answer_in_time() -> None:
    """One limit for the lost call and one for the question fit within 30 s."""
    from handlers.payments.bounded import TIMEOUT_S, TRYING_MAX_S

    assert TIMEOUT_S == 10
    assert TIMEOUT_S + TRYING_MAX_S + TIMEOUT_S < 30

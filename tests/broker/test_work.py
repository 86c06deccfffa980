"""Unordered groups: what may be tried again waits in tiers, what is spent or broken is dead-lettered, once is once."""

import asyncio
from typing import Any

from broker.groups import Effects, Follow, Transient, WorkDesk
from broker.messages import (
    BookChanged,
    DispatchShipment,
    ExpireOrder,
    OrderCancelled,
    PaymentCaptured,
    PaymentVoided,
    Sender,
    ShipmentDispatched,
)
from documents.actors import utc_now
from documents.payments import Payment, PaymentStatus
from documents.refusals import NotPermitted
from handlers.orders import ORDERS
from tests.broker.house import House, body_of, cut, unordered, until

EXPIRE = ExpireOrder(order_id="o")


def cancelled(order_id: str = "o") -> OrderCancelled:
    """An event that payments and shipments hear."""
    facts: dict[str, Any] = {
        "status": "cancelled",
        "email": "a@b.example",
        "owner": None,
        "total": 1,
        "currency": "EUR",
    }
    return OrderCancelled(order_id=order_id, at=utc_now(), **facts)


async def test_what_may_be_tried_again_goes_through_the_tiers_with_its_attempts(house: House) -> None:
    """Two failures, then it works: one receipt, that of the third attempt, and nothing left behind."""
    tried: list[float] = []

    async def flaky(_message: Any, _desk: WorkDesk) -> Effects:
        tried.append(asyncio.get_running_loop().time())
        if len(tried) < 3:
            raise Transient("gateway down")
        return Effects(resource="orders/o")

    await house.worker(unordered("payments", flaky))
    receipt = await house.receipt(await house.send(EXPIRE), "payments")
    assert (receipt["status"], receipt["attempts"], receipt["resource"]) == ("succeeded", 3, "orders/o")
    assert tried[1] - tried[0] >= 0.1
    assert tried[2] - tried[1] >= 0.2
    await house.empty()


async def test_spent_attempts_end_in_the_dead_letter_queue(house: House) -> None:
    """With its origin, its first and last failure, and how often it was tried."""

    async def never(_message: Any, _desk: WorkDesk) -> Effects:
        raise Transient("gateway down")

    await house.worker(unordered("payments", never, attempts_max=3))
    sent = await house.send(EXPIRE)
    receipt = await house.receipt(sent, "payments")
    letter = await house.get("payments.dead")
    assert (receipt["status"], receipt["problem"]["reason"], receipt["attempts"]) == (
        "failed",
        "attempts spent",
        3,
    )
    assert (letter.message_id, letter.headers["x-quire-attempts"]) == (sent, 3)
    assert letter.headers["x-quire-origin-queue"] == "payments"
    assert letter.headers["x-quire-error"] == "Transient: gateway down"
    assert str(letter.headers["x-quire-first-failed-at"]) < str(letter.headers["x-quire-last-failed-at"])
    assert body_of(letter)["data"] == {"order_id": "o"}


async def test_a_rule_says_no_to_a_command_once_and_for_all(house: House) -> None:
    """An outcome, not an error: no attempt is repeated."""
    calls: list[str] = []

    async def refusing(message: DispatchShipment, desk: WorkDesk) -> Effects:
        calls.append(desk.envelope.id)
        raise NotPermitted(desk.envelope.sender.id, "shipment", message.order_id)

    await house.worker(unordered("shipments", refusing))
    command = DispatchShipment(order_id="o", carrier="DHL", tracking_number="1")
    receipt = await house.receipt(await house.send(command, Sender("user:1")), "shipments")
    assert (receipt["status"], receipt["problem"]["code"], len(calls)) == ("rejected", "not_permitted", 1)


async def test_a_refused_event_is_tried_again(house: House) -> None:
    """A fact cannot be refused: it came too early."""
    calls: list[int] = []

    async def early(message: OrderCancelled, _desk: WorkDesk) -> Effects:
        calls.append(1)
        if len(calls) == 1:
            raise NotPermitted("x", "payment", message.order_id)
        return Effects()

    await house.worker(unordered("payments", early))
    receipt = await house.receipt(await house.send(cancelled()), "payments")
    assert (receipt["status"], receipt["attempts"]) == ("succeeded", 2)


async def test_a_bug_and_a_body_that_cannot_be_decoded_are_dead_letters(house: House) -> None:
    """At once, and the next message is worked off."""

    async def buggy(message: Any, _desk: WorkDesk) -> Effects:
        return Effects(
            resource=f"orders/{message.order_id}", result={"n": 1 << 80 if message.order_id == "big" else 1}
        )

    async def raising(message: Any, desk: WorkDesk) -> Effects:
        if message.order_id == "bug":
            raise KeyError("bug")
        return await buggy(message, desk)

    await house.worker(unordered("payments", raising))
    await house.raw(b"?", "payments", message_id="odd")
    ids = [await house.send(ExpireOrder(order_id=each)) for each in ("bug", "big", "fine")]
    receipts = await house.receipts(["odd", *ids], "payments")
    assert [receipt["status"] for receipt in receipts] == ["failed", "failed", "failed", "succeeded"]
    letters = [await house.get("payments.dead") for _ in range(3)]
    reasons = {letter.message_id: letter.headers["x-quire-reason"] for letter in letters}
    assert reasons == {"odd": "undecodable", ids[0]: "handler raised", ids[1]: "handler raised"}


async def test_a_handler_that_lost_a_race_starts_again_on_what_is_there_now(house: House) -> None:
    """Compare-and-set: the other one's change stays, this one is made on top of it; no attempt is spent."""
    seen: list[int] = []

    async def slow(message: Any, desk: WorkDesk) -> Effects:
        payment = await desk.load(Payment, message.order_id)
        assert payment is not None
        seen.append(payment.rev)
        if len(seen) == 1:
            await house.database.payments.update_one({"_id": "o"}, {"$inc": {"rev": 1}})
        payment.move(PaymentStatus.VOIDING, desk.now)
        return Effects(saved=(payment,))

    await house.database.payments.insert_one(Payment.begin("o", PaymentStatus.AUTHORIZED, utc_now()).stored())
    await house.worker(unordered("payments", slow))
    receipt = await house.receipt(await house.send(EXPIRE), "payments")
    assert (seen, receipt["attempts"]) == ([1, 2], 1)
    stored = await house.database.payments.find_one({"_id": "o"})
    assert stored is not None
    assert (stored["rev"], stored["status"]) == (3, "voiding")


async def test_an_intent_is_readable_before_the_outside_is_called(house: House) -> None:
    """`save` is durable when it returns, and what is decided afterwards is written on top of it."""
    stages: list[str] = []

    async def pay(message: Any, desk: WorkDesk) -> Effects:
        payment = Payment.begin(message.order_id, PaymentStatus.AUTHORISING, desk.now)
        await desk.save(payment)
        stored = await house.database.payments.find_one({"_id": message.order_id})
        stages.append(stored["status"] if stored else "nothing")
        payment.move(PaymentStatus.AUTHORIZED, desk.now)
        return Effects(saved=(payment,))

    await house.worker(unordered("payments", pay))
    await house.receipt(await house.send(EXPIRE), "payments")
    stored = await house.database.payments.find_one({"_id": "o"})
    assert stored is not None
    assert (stages, stored["status"], stored["rev"]) == (["authorising"], "authorized", 2)


async def test_one_message_twice_at_the_same_time_has_one_effect_and_tells_one_thing(house: House) -> None:
    """Both handlers run and decide differently; what was committed is told, what was not is never heard of."""
    gate = asyncio.Event()
    calls: list[int] = []

    async def deciding(message: Any, desk: WorkDesk) -> Effects:
        calls.append(1)
        mine = len(calls)
        if mine == 2:
            gate.set()
        await gate.wait()
        payment = await desk.load(Payment, message.order_id) or Payment.begin(
            message.order_id, PaymentStatus.AUTHORIZED, desk.now, reason=f"call {mine}"
        )
        told = (
            PaymentVoided(order_id="o")
            if mine == 1
            else PaymentCaptured(order_id="o", amount=1, currency="EUR")
        )
        return Effects(saved=(payment,), messages=(told,), result={"call": mine})

    channel = await house.channel()
    heard = await channel.declare_queue("heard twice", exclusive=True)
    for kind in ("PaymentVoided", "PaymentCaptured"):
        await heard.bind("quire.events", f"{kind}.*")
    await house.worker(unordered("payments", deciding))
    for _ in range(2):
        await house.send(EXPIRE, message_id="twice")
    receipt = await house.receipt("twice", "payments")
    await house.empty("payments")
    await house.outbox_empty()
    stored = await house.database.payments.find_one({"_id": "o"})
    assert stored is not None
    assert (stored["rev"], stored["reason"]) == (1, f"call {receipt['result']['call']}")
    first = await until(lambda: heard.get(fail=False), "what was told")
    assert first.type == ("PaymentVoided" if receipt["result"]["call"] == 1 else "PaymentCaptured")
    worker = house.runtimes[0]
    await house.stop(worker)
    assert await heard.get(fail=False) is None


async def test_a_lost_channel_brings_work_again_and_its_receipt_answers(house: House) -> None:
    """Handlers that were under way may run twice; their effects are one each."""
    started: set[str] = set()
    again: list[str] = []
    gate = asyncio.Event()

    async def held(_message: Any, desk: WorkDesk) -> Effects:
        (again.append if desk.envelope.id in started else started.add)(desk.envelope.id)
        await gate.wait()
        return Effects(messages=(BookChanged(isbn="9786600000004"),))

    worker = await house.worker(unordered("notifications", held))
    ids = [await house.send(cancelled(f"o{n}")) for n in range(10)]

    async def all_started() -> bool:
        return len(started) == 10

    await until(all_started, "ten handlers")
    await cut(worker)

    async def come_again() -> bool:
        return len(again) == 10

    await until(come_again, "ten redeliveries")
    gate.set()
    receipts = await house.receipts(ids, "notifications")
    assert {receipt["status"] for receipt in receipts} == {"succeeded"}
    await house.outbox_empty()
    await house.stop(worker)
    await house.empty("notifications")


async def test_what_ends_an_operation_ends_it(house: House) -> None:
    """A first step of an unordered group may leave its operation open for the order's own step."""

    async def dispatch(message: DispatchShipment, _desk: WorkDesk) -> Effects:
        told = ShipmentDispatched(order_id=message.order_id, at=utc_now(), carrier="DHL", tracking_number="1")
        return Effects(messages=(Follow(told, finishes_operation=True),), pending=True)

    await house.worker(unordered("shipments", dispatch), ORDERS)
    command = DispatchShipment(order_id="unknown", carrier="DHL", tracking_number="1")
    receipt = await house.receipt(await house.send(command), "shipments")
    assert (receipt["status"], receipt["problem"]["code"]) == ("rejected", "not_found")

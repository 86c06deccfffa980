"""Payments under every order, repetition, loss and death that a scheduler can think of."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.groups import Effects, Transient
from broker.messages import Message, PaymentAuthorized, PaymentDeclined, PaymentExpired
from documents.payments import INTENTS, Payment, PaymentStatus
from handlers.payments import GatewayUnreachable, OutOfStep, Payments
from tests.handlers.desks import House, attempt
from tests.handlers.gateways import CALL, Books, C
from tests.handlers.order_events import CANCELLED, EXPIRE, ORDER, REFUND, SHIPPED, placed

MESSAGES: dict[str, Message] = {
    "placed": placed(),
    "cancelled": CANCELLED,
    "cancelled again": CANCELLED,  # told twice, under another id
    "shipped": SHIPPED,
    "refund": REFUND,
    "expire": EXPIRE,
}
ATTEMPTS_MAX = 4  # few, so that messages which die on the way are common
WORKERS_MAX = 4
STEPS_MAX = 100
Handler = Callable[[Any, Any], Awaitable[Effects]]


@dataclass
class Worker:
    """One delivery under way, stopped at a point where it waits for the database or the gateway."""

    message_id: str
    run: Coroutine[Any, Any, str]
    waits_for: str | None = None


@dataclass
class Scheduler:
    """Workers that share one house and one gateway; nothing moves unless it is told to."""

    house: House = field(default_factory=House)
    books: Books = field(default_factory=Books)
    workers: list[Worker] = field(default_factory=list)
    dead: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)

    def start(self, message_id: str) -> Worker:
        """Delivers a message, be it for the second time, up to its first wait."""
        handlers = Payments(self.books)
        message = MESSAGES[message_id]
        by_type: dict[str, Handler] = {
            "OrderPlaced": handlers.authorise,
            "OrderCancelled": handlers.cancel,
            "OrderShipped": handlers.capture,
            "RefundRequested": handlers.refund,
            "ExpireOrder": handlers.expire,
        }
        handler = by_type[type(message).__name__]
        self.attempts[message_id] = self.attempts.get(message_id, 0) + 1
        worker = Worker(message_id, attempt(self.house, handler, message, message_id))
        self.workers.append(worker)
        self.step(worker)
        return worker

    def step(self, worker: Worker, error: Exception | None = None) -> None:
        """Lets a worker go on to its next wait; `error` is what its wait ends with."""
        try:
            worker.waits_for = worker.run.throw(error) if error else worker.run.send(None)
        except StopIteration:
            self.workers.remove(worker)
        except Transient:
            self.workers.remove(worker)
            if self.attempts[worker.message_id] >= ATTEMPTS_MAX:
                self.dead.setdefault(worker.message_id, "attempts spent")
        except OutOfStep as broken:
            self.workers.remove(worker)
            self.dead.setdefault(worker.message_id, repr(broken))
        self.check_books()

    def kill(self, worker: Worker) -> None:
        """The process of a worker dies; its message will be delivered again."""
        worker.run.close()
        self.workers.remove(worker)

    def open(self, wanted: list[str]) -> list[str]:
        """Messages that are neither settled nor dead."""
        return [each for each in wanted if each not in self.house.receipts and each not in self.dead]

    def drain(self, wanted: list[str]) -> None:
        """No more faults: everything under way ends, and what is open is delivered until it is settled or dead."""
        while self.workers or self.open(wanted):
            for worker in list(self.workers):
                while worker in self.workers:
                    self.step(worker)
            for each in self.open(wanted):
                self.start(each)

    def check_books(self) -> None:
        """What must hold in the gateway's books at every moment."""
        entries = self.books.entries.get(ORDER, [])
        assert entries.count(C.AUTHORIZED) <= 1, f"charged twice: {entries}"
        assert entries.count(C.CAPTURED) <= 1, f"captured twice: {entries}"
        assert not (C.VOIDED in entries and C.CAPTURED in entries), f"captured and voided: {entries}"


def play(data: st.DataObject, wanted: list[str], *, faults: bool) -> Scheduler:
    """Steps chosen by hypothesis, then an end without faults."""
    scheduler = Scheduler()
    choices = ["start", "step", "step", "step", "step"] + (["kill", "lose"] if faults else [])
    for _ in range(data.draw(st.integers(0, 60), label="steps")):
        choice = data.draw(st.sampled_from(choices))
        if choice == "start":
            open_ = scheduler.open(wanted)
            if open_ and len(scheduler.workers) < WORKERS_MAX:
                scheduler.start(data.draw(st.sampled_from(open_)))
            continue
        candidates = [w for w in scheduler.workers if choice != "lose" or w.waits_for == CALL]
        if not candidates:
            continue
        worker = data.draw(st.integers(0, len(candidates) - 1).map(candidates.__getitem__))
        if choice == "kill":
            scheduler.kill(worker)
        elif choice == "lose":
            scheduler.step(worker, GatewayUnreachable("lost"))
        else:
            scheduler.step(worker)
    scheduler.drain(wanted)
    return scheduler


def check_end(scheduler: Scheduler) -> None:
    """What must hold once nothing is under way."""
    house, books = scheduler.house, scheduler.books
    payment = house.get(Payment, ORDER)
    entries = books.entries.get(ORDER, [])
    cancelled = any(house.receipts.get(each) == "succeeded" for each in ("cancelled", "cancelled again"))
    if cancelled:
        assert books.net(ORDER) == 0, f"a cancelled order is charged: {entries}"
    if house.told(PaymentExpired):
        assert books.net(ORDER) == 0, f"an expired order is charged: {entries}"
        assert not house.told(PaymentAuthorized), "both expired and authorised"
    if house.told(PaymentAuthorized):
        assert C.AUTHORIZED in entries, "authorised without a charge"
        undone = cancelled or house.receipts.get("refund") == "succeeded"
        assert undone or books.net(ORDER) > 0, f"confirmed, and not charged: {entries}"
    assert not house.told(PaymentDeclined), "a good card was declined"
    if payment is not None:
        expected = {
            PaymentStatus.AUTHORIZED: C.AUTHORIZED,
            PaymentStatus.CAPTURED: C.CAPTURED,
            PaymentStatus.REFUNDED: C.REFUNDED,
        }
        if payment.status in expected:
            assert entries[-1] is expected[payment.status]
        else:
            assert books.net(ORDER) == 0 or payment.status in INTENTS
        if payment.status in INTENTS:
            assert scheduler.dead, f"{payment.status} for good, and nobody was told"


SUBSETS = st.lists(st.sampled_from(sorted(MESSAGES)), unique=True, min_size=1)
QUIET = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@QUIET
@given(data=st.data(), wanted=SUBSETS)
def test_no_interleaving_charges_twice_or_keeps_money_of_a_cancelled_order(
    data: st.DataObject, wanted: list[str]
) -> None:
    """However messages interleave and repeat, one charge and one capture at most, and none left on a
    cancelled order.
    """
    check_end(play(data, wanted, faults=False))


@QUIET
@given(data=st.data(), wanted=SUBSETS)
def test_nor_do_deaths_and_lost_answers(data: st.DataObject, wanted: list[str]) -> None:
    """The same holds where workers die at any point and requests or answers of the gateway are lost."""
    check_end(play(data, wanted, faults=True))


def overtake(before: Sequence[str], first: str, second: str, held_after: int, let_in_for: int | None) -> bool:
    """Plays `before`, then holds `first` after so many steps, lets `second` in for so many, and then ends all.

    False once `first` ends before it could be held: there is no later point.
    """
    scheduler = Scheduler()
    for each in before:
        scheduler.start(each)
        scheduler.drain([each])
    held = scheduler.start(first)
    for _ in range(held_after):
        if held in scheduler.workers:
            scheduler.step(held)
    if held not in scheduler.workers:
        return False
    other = scheduler.start(second)
    steps = STEPS_MAX if let_in_for is None else let_in_for
    while steps and other in scheduler.workers:
        scheduler.step(other)
        steps -= 1
    scheduler.drain([*before, first, second])
    check_end(scheduler)
    return True


@pytest.mark.parametrize("before", [(), ("placed",), ("placed", "shipped")], ids="+".join)
@pytest.mark.parametrize("first", sorted(MESSAGES))
def test_no_worker_that_is_held_anywhere_does_harm(before: Sequence[str], first: str) -> None:
    """Held at any of its waits while another comes in, in part or as a whole: every pair of messages, every point."""
    for second in MESSAGES:
        held_after = 0
        while all(overtake(before, first, second, held_after, steps) for steps in (1, 2, 3, 4, 5, 6, None)):
            held_after += 1
        assert (held_after == 0) == (first in before), (
            "a settled message is answered by its receipt, others wait"
        )


def test_a_worker_that_froze_before_its_call_cannot_charge_a_cancelled_order() -> None:
    """Frozen between intent and charge, overtaken by a cancellation, its late call finds the key closed."""
    scheduler = Scheduler()
    frozen = scheduler.start("placed")
    while frozen.waits_for != CALL:
        scheduler.step(frozen)
    other = scheduler.start("cancelled")
    while other in scheduler.workers:
        scheduler.step(other)
    assert scheduler.house.receipts == {"cancelled": "succeeded"}
    scheduler.drain(["placed", "cancelled"])
    assert scheduler.books.entries[ORDER] == [C.VOIDED]
    assert scheduler.house.receipts["placed"] == "succeeded"


def test_a_cancellation_closes_what_a_dead_expiry_left_open() -> None:
    """Whoever expired it died before the key was closed: the cancellation that follows closes it all the same."""
    scheduler = Scheduler()
    frozen = scheduler.start("placed")
    while frozen.waits_for != CALL:
        scheduler.step(frozen)
    dying = scheduler.start("expire")
    while (payment := scheduler.house.get(Payment, ORDER)) and payment.status is not PaymentStatus.EXPIRED:
        scheduler.step(dying)
    scheduler.kill(dying)
    scheduler.start("cancelled")
    while len(scheduler.workers) > 1:
        scheduler.step(scheduler.workers[-1])
    scheduler.drain(["placed"])
    assert scheduler.books.net(ORDER) == 0


@pytest.mark.parametrize("first", ["placed", "cancelled"])
def test_placed_and_cancelled_in_either_order_leave_no_charge(first: str) -> None:
    """Whichever of the two is processed first, the payment ends voided."""
    scheduler = Scheduler()
    for each in [first, "cancelled" if first == "placed" else "placed"]:
        scheduler.start(each)
        scheduler.drain([each])
    payment = scheduler.house.get(Payment, ORDER)
    assert payment is not None
    assert payment.status is PaymentStatus.VOIDED
    assert scheduler.books.net(ORDER) == 0
    assert (ORDER in scheduler.books.entries) == (first == "placed")

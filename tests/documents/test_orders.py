"""An order moves as its table says, and its history tells it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from documents.orders import CANCELLABLE, MOVES, REFUNDABLE, Address, Order, OrderLine, OrderStatus
from documents.refusals import CannotCancel, MoveNotAllowed

AT = datetime(2026, 1, 1, tzinfo=UTC)


def placed() -> Order:
    """An order in its first state."""
    order = Order(
        id="o",
        sender="user:1",
        placed_by="m",
        email="a@b.example",
        cart_id="c",
        lines=[OrderLine(isbn="9780000000000", title="T", quantity=2, unit_price=500)],
        currency="EUR",
        subtotal=1000,
        shipping=390,
        tax=91,
        total=1390,
        shipping_address=Address(name="n", line1="l", city="c", postal_code="p", country="DE"),
        shipping_method="standard",
        payment_token="tok_ok",
        placed_at=AT,
        due_at=AT + timedelta(minutes=15),
    )
    order.place(AT)
    return order


class OrderMachine(RuleBasedStateMachine):
    """Every move is tried from everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.order = placed()
        self.at = AT

    @rule(to=st.sampled_from(OrderStatus))
    def move(self, to: OrderStatus) -> None:
        """What the table has happens; what it has not changes nothing."""
        self.at += timedelta(seconds=1)
        before, was = self.order.stored(), self.order.status
        if to in MOVES[was]:
            self.order.move(to, self.at)
            assert self.order.status is to
            assert self.order.due_at is None
        else:
            with pytest.raises(MoveNotAllowed):
                self.order.move(to, self.at)
            assert self.order.stored() == before

    @rule()
    def ask_refund(self) -> None:
        """A refund is asked for once, and only where there is something to undo."""
        before = self.order.stored()
        if self.order.cancelling or self.order.status not in CANCELLABLE | REFUNDABLE:
            with pytest.raises(CannotCancel):
                self.order.ask_refund()
            assert self.order.stored() == before
        else:
            self.order.ask_refund()
            assert self.order.cancelling

    @rule()
    def write(self) -> None:
        """The update makes the stored document what the order is."""
        stored = placed().stored()
        assert {**stored, **self.order.delta()["$set"]} == self.order.stored()
        self.order = Order.loaded(self.order.stored())

    @invariant()
    def tells(self) -> None:
        """The history ends where the order stands; revisions rise, and the last is not beyond the order's."""
        revs = [change.rev for change in self.order.history]
        assert revs == sorted(set(revs))
        assert revs[0] == 1
        assert revs[-1] <= self.order.rev
        assert self.order.history[-1].status is self.order.status
        for one, next_ in zip(self.order.history, self.order.history[1:], strict=False):
            assert next_.status in MOVES[one.status]


OrderMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)
TestOrderMachine = OrderMachine.TestCase


def test_every_state_is_in_the_table_and_reachable() -> None:
    """No state is forgotten, and none can only be dreamt of."""
    reached = {OrderStatus.PLACED}
    for _ in OrderStatus:
        reached |= {target for state in reached for target in MOVES[state]}
    assert reached == set(OrderStatus) == set(MOVES)

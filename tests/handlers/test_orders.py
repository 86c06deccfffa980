"""What happens to an order, as plain functions: the happy path, what undoes it, repeats and late comers."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from broker.groups import Desk, Effects
from broker.messages import (
    SYSTEM,
    CancelOrder,
    Message,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderRefunded,
    OrderShipped,
    PaymentAuthorized,
    PaymentDeclined,
    PaymentExpired,
    PaymentRefunded,
    RefundRequested,
    Sender,
    ShipmentDelivered,
    ShipmentDispatched,
)
from documents.orders import Address, Order, OrderLine, OrderStatus
from documents.refusals import CannotCancel, MoveNotAllowed, NotPermitted
from documents.stock import Stock
from documents.terms import Terms
from handlers.orders import MOVES_STOCK, ORDERS, titles
from tests.handlers.desks import NOW, envelope_of

ISBN = "9786600000004"
OWNER = Sender("user:1")
S = OrderStatus

AUTHORIZED = PaymentAuthorized(order_id="o", amount=2390, currency="EUR")
DECLINED = PaymentDeclined(order_id="o", reason="card_declined")
EXPIRED = PaymentExpired(order_id="o")
DISPATCHED = ShipmentDispatched(order_id="o", at=NOW, carrier="DHL", tracking_number="1")
DELIVERED = ShipmentDelivered(order_id="o", at=NOW)
REFUNDED = PaymentRefunded(order_id="o", amount=2390, currency="EUR")
CANCEL = CancelOrder(order_id="o")


class Shop:
    """One order of two copies, and the stock that it holds."""

    def __init__(self, *messages: Message) -> None:
        self.order = Order(
            id="o",
            sender="user:1",
            placed_by="m",
            owner="1",
            email="a@b.example",
            cart_id="c",
            lines=[OrderLine(isbn=ISBN, title="T", quantity=2, unit_price=1000)],
            currency="EUR",
            subtotal=2000,
            shipping=390,
            tax=156,
            total=2390,
            shipping_address=Address(name="n", line1="l", city="c", postal_code="p", country="DE"),
            shipping_method="standard",
            payment_token="tok_ok",
            placed_at=NOW,
            due_at=NOW + timedelta(minutes=15),
        )
        self.order.place(NOW)
        self.stock = Stock.loaded({"_id": ISBN, "on_hand": 5, "reserved": 2, "available": 3, "rev": 1})
        for message in messages:
            self(message)

    def __call__(self, message: Message, sender: Sender = SYSTEM) -> Effects:
        """Hands a message to its handler, as the group's table says."""
        desk = Desk(envelope_of(message, "m1", sender), NOW, Terms(), {}, {ISBN: self.stock})
        handler: Callable[[Order, Any, Desk], Effects] = ORDERS.handlers[type(message)]
        return handler(self.order, message, desk)

    @property
    def counts(self) -> tuple[int, int, int]:
        """On hand, reserved, available."""
        return self.stock.on_hand, self.stock.reserved, self.stock.available


def only(effects: Effects, kind: type[Message]) -> Any:
    """The one message that follows."""
    (message,) = effects.messages
    assert isinstance(message, kind)
    return message


def test_the_happy_path() -> None:
    """Paid, shipped, delivered: each told once, the stock leaves with the parcel."""
    shop = Shop()
    confirmed = only(shop(AUTHORIZED), OrderConfirmed)
    assert (confirmed.status, confirmed.total, len(confirmed.lines)) == ("confirmed", 2390, 1)
    assert (shop.counts, shop.order.due_at) == ((5, 2, 3), None)
    shipped = only(shop(DISPATCHED), OrderShipped)
    assert (shipped.carrier, shipped.tracking_number, shop.counts) == ("DHL", "1", (3, 0, 3))
    only(shop(DELIVERED), OrderDelivered)
    assert [change.status for change in shop.order.history] == [S.PLACED, S.CONFIRMED, S.SHIPPED, S.DELIVERED]


@pytest.mark.parametrize(
    ("message", "reason"), [(DECLINED, "payment declined: card_declined"), (EXPIRED, "not paid in time")]
)
def test_an_order_that_is_not_paid_is_cancelled_and_its_stock_comes_back(
    message: Message, reason: str
) -> None:
    """With the reason, for its watchers."""
    shop = Shop()
    cancelled = only(shop(message), OrderCancelled)
    assert (cancelled.reason, shop.order.status, shop.counts) == (reason, S.CANCELLED, (5, 0, 5))


@pytest.mark.parametrize("before", [(), (AUTHORIZED,)])
def test_before_shipping_it_is_cancelled_at_once(before: tuple[Message, ...]) -> None:
    """Stock back, payment to be voided."""
    shop = Shop(*before)
    only(shop(CANCEL, OWNER), OrderCancelled)
    assert (shop.order.status, shop.counts) == (S.CANCELLED, (5, 0, 5))


@pytest.mark.parametrize("before", [(AUTHORIZED, DISPATCHED), (AUTHORIZED, DISPATCHED, DELIVERED)])
def test_after_shipping_the_money_is_asked_back_once(before: tuple[Message, ...]) -> None:
    """A refund is requested; a second wish is refused; the state follows the gateway; the copies are gone."""
    shop = Shop(*before)
    status = shop.order.status
    only(shop(CANCEL, OWNER), RefundRequested)
    assert (shop.order.status, shop.order.cancelling) == (status, True)
    with pytest.raises(CannotCancel):
        shop(CANCEL, OWNER)
    only(shop(REFUNDED), OrderRefunded)
    assert (shop.order.status, shop.order.cancelling, shop.counts) == (S.REFUNDED, False, (3, 0, 3))


@pytest.mark.parametrize(
    ("sender", "may"),
    [
        (OWNER, True),
        (Sender("guest:o", holds=("o",)), True),
        (Sender("user:9", roles=("staff",)), True),
        (SYSTEM, True),
        (Sender("user:2"), False),
        (Sender("guest:x", holds=("x",)), False),
    ],
)
def test_who_may_cancel(sender: Sender, may: bool) -> None:
    """The owner, who holds the order's token, staff, ourselves; nobody else."""
    shop = Shop()
    if may:
        shop(CANCEL, sender)
        assert shop.order.status is S.CANCELLED
    else:
        with pytest.raises(NotPermitted):
            shop(CANCEL, sender)
        assert (shop.order.status, shop.counts) == (S.PLACED, (5, 2, 3))


def test_a_guests_order_belongs_to_no_account() -> None:
    """An order without an owner is not everybody's who has no account either."""
    shop = Shop()
    shop.order.owner = None
    with pytest.raises(NotPermitted):
        shop(CANCEL, Sender("guest:x"))


def test_a_late_authorisation_of_a_cancelled_order_tells_payments_again() -> None:
    """So that what was authorised is voided; the order stays as it is."""
    shop = Shop(CANCEL)
    rev = shop.order.rev
    told = only(shop(AUTHORIZED), OrderCancelled)
    assert (told.status, told.reason, shop.order.rev) == ("cancelled", CANCEL.reason, rev)


REPEATS: list[tuple[tuple[Message, ...], Message]] = [
    ((AUTHORIZED,), AUTHORIZED),
    ((AUTHORIZED, DISPATCHED), AUTHORIZED),
    ((AUTHORIZED, DISPATCHED), DISPATCHED),
    ((AUTHORIZED, DISPATCHED, DELIVERED), DISPATCHED),
    ((AUTHORIZED, DISPATCHED, DELIVERED), DELIVERED),
    ((AUTHORIZED, DISPATCHED, CANCEL, REFUNDED), REFUNDED),
    ((DECLINED,), DECLINED),
    ((CANCEL,), DECLINED),
    ((CANCEL,), EXPIRED),
    ((AUTHORIZED, DISPATCHED), DECLINED),
    ((AUTHORIZED, DISPATCHED, CANCEL, REFUNDED), DELIVERED),
    ((AUTHORIZED, DISPATCHED, CANCEL, REFUNDED), DISPATCHED),
]


@pytest.mark.parametrize(("before", "message"), REPEATS)
def test_repeats_and_late_comers_are_absorbed(before: tuple[Message, ...], message: Message) -> None:
    """What comes twice or too late changes and tells nothing: no copy leaves twice, none comes back twice."""
    shop = Shop(*before)
    stored, counts = shop.order.stored(), shop.counts
    assert shop(message).messages == ()
    assert (shop.order.stored(), shop.counts) == (stored, counts)


def test_a_confirmed_order_of_which_the_gateway_knows_no_charge_is_cancelled() -> None:
    """It said first that it holds the money, then that it knows of none: nothing stays confirmed without payment."""
    shop = Shop(AUTHORIZED)
    only(shop(EXPIRED), OrderCancelled)
    assert shop.counts == (5, 0, 5)


def test_a_parcel_of_an_order_that_was_cancelled_is_refused_with_the_move() -> None:
    """It is no repeat: somebody shipped what was cancelled, and that must be seen."""
    shop = Shop(CANCEL)
    with pytest.raises(MoveNotAllowed):
        shop(DISPATCHED)
    assert shop.counts == (5, 0, 5)


def test_a_parcel_delivered_before_it_was_dispatched_is_refused_until_it_was() -> None:
    """Out of order, it waits in place: the move is not allowed yet."""
    shop = Shop(AUTHORIZED)
    with pytest.raises(MoveNotAllowed):
        shop(DELIVERED)
    shop(DISPATCHED)
    only(shop(DELIVERED), OrderDelivered)


@pytest.mark.parametrize("kind", ORDERS.handlers)
def test_stock_is_loaded_for_what_moves_it(kind: type[Message]) -> None:
    """Exactly the messages that release or sell name the order's titles."""
    every = (AUTHORIZED, DECLINED, EXPIRED, DISPATCHED, DELIVERED, REFUNDED, CANCEL)
    message = next(each for each in every if type(each) is kind)
    assert bool(list(titles(Shop().order, message))) == (kind in MOVES_STOCK)

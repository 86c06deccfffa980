"""Parcels: prepared, handed over, delivered; and orders that are cancelled at the worst moment."""

from datetime import datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.groups import Follow, Transient
from broker.messages import (
    DispatchShipment,
    Message,
    RecordCarrierEvent,
    Sender,
    ShipmentDelivered,
    ShipmentDispatched,
)
from broker.topology import BY_NAME
from documents.orders import Address, Order, OrderLine, OrderStatus
from documents.shipments import Shipment, ShipmentStatus
from handlers.shipments import SHIPMENTS
from tests.handlers.desks import NOW, House, deliver
from tests.handlers.order_events import CANCELLED, CONFIRMED, LINES, ORDER, TOTAL

STAFF = Sender("user:1", roles=("staff",))
DISPATCH = DispatchShipment(order_id=ORDER, carrier="Pony Post", tracking_number="PP-1")
IN_TRANSIT = RecordCarrierEvent(order_id=ORDER, status="in_transit")
ARRIVED = RecordCarrierEvent(order_id=ORDER, status="delivered")


@pytest.fixture
def house() -> House:
    """Nothing has happened yet."""
    return House()


async def tell(house: House, *messages: Message, sender: Sender = STAFF) -> list[str]:
    """Delivers messages one after the other, each under an id of its own; the receipts' statuses."""
    return [
        await deliver(house, SHIPMENTS.handlers[type(each)], each, f"m{len(house.receipts)}", sender)
        for each in messages
    ]


def shipment(house: House) -> Shipment:
    """The order's parcel."""
    found = house.get(Shipment, ORDER)
    assert found is not None
    return found


def order_in(house: House, *way: OrderStatus, at: datetime = NOW) -> None:
    """The order as the orders group has it, after these moves."""
    facts: dict[str, Any] = {
        "id": ORDER,
        "sender": "user:2",
        "placed_by": "p1",
        "email": "ada@example.org",
        "cart_id": "c1",
        "lines": [
            OrderLine(isbn=x.isbn, title=x.title, quantity=x.quantity, unit_price=x.unit_price) for x in LINES
        ],
        "currency": "EUR",
        "subtotal": TOTAL,
        "shipping": 0,
        "tax": 169,
        "total": TOTAL,
        "shipping_address": Address(
            name="Ada", line1="1 Mill Lane", city="Ely", postal_code="CB7", country="GB"
        ),
        "shipping_method": "standard",
        "payment_token": "tok_ok",
        "placed_at": at,
        "due_at": None,
    }
    order = Order(**facts)
    order.place(at)
    for each in way:
        order.move(each, at)
    house.documents[Order.kind, ORDER] = order.stored()


def test_the_group_handles_exactly_what_its_queue_takes() -> None:
    """Every event that the topology binds to the queue has a handler, and so have its commands."""
    assert set(SHIPMENTS.handlers) == {*BY_NAME["shipments"].events, DispatchShipment, RecordCarrierEvent}


async def test_a_confirmed_order_is_packed_once(house: House) -> None:
    """The parcel holds the order's lines; a repeat changes nothing."""
    await tell(house, CONFIRMED, CONFIRMED)
    assert shipment(house).status is ShipmentStatus.PREPARING
    assert shipment(house).rev == 1
    assert [(line.title, line.quantity) for line in shipment(house).lines] == [
        (x.title, x.quantity) for x in LINES
    ]


async def test_a_parcel_goes_its_way(house: House) -> None:
    """Handed over, on its way, delivered: two events, told once each."""
    await tell(house, CONFIRMED, DISPATCH, IN_TRANSIT, ARRIVED, IN_TRANSIT, ARRIVED)
    assert house.sent == [
        ShipmentDispatched(order_id=ORDER, at=NOW, carrier="Pony Post", tracking_number="PP-1"),
        ShipmentDelivered(order_id=ORDER, at=NOW),
    ]
    assert [each.status.value for each in shipment(house).history] == [
        "preparing",
        "dispatched",
        "in_transit",
        "delivered",
    ]


async def test_the_order_ends_the_operation_of_a_dispatch(house: House) -> None:
    """The operation stays pending, and goes along with the event to the order that decides."""
    assert await tell(house, CONFIRMED, DISPATCH) == ["succeeded", "pending"]
    (follow,) = house.results["m1"].messages
    assert isinstance(follow, Follow)
    assert follow.finishes_operation


async def test_the_same_handover_again_succeeds_and_tells_nobody(house: House) -> None:
    """Another command with the same tracking number is no second dispatch."""
    assert await tell(house, CONFIRMED, DISPATCH, DISPATCH) == ["succeeded", "pending", "succeeded"]
    assert len(house.told(ShipmentDispatched)) == 1


async def test_another_tracking_number_is_refused(house: House) -> None:
    """One parcel an order: a second hand-over is a mistake."""
    other = DispatchShipment(order_id=ORDER, carrier="Pony Post", tracking_number="PP-2")
    assert (await tell(house, CONFIRMED, DISPATCH, other))[-1] == "rejected move_not_allowed"
    assert shipment(house).tracking_number == "PP-1"


@pytest.mark.parametrize("command", [DISPATCH, IN_TRANSIT, ARRIVED])
async def test_an_unknown_order_is_refused(command: Message, house: House) -> None:
    """Nothing is made up for an order that does not exist."""
    assert await tell(house, command) == ["rejected not_found"]
    assert house.documents == {}


@pytest.mark.parametrize("command", [DISPATCH, IN_TRANSIT, ARRIVED])
@pytest.mark.parametrize("sender", [Sender("user:2"), Sender("guest:c1", holds=(ORDER,))])
async def test_only_the_shop_moves_parcels(command: Message, sender: Sender, house: House) -> None:
    """A shopper's command is refused, also the owner's."""
    await tell(house, CONFIRMED)
    assert await tell(house, command, sender=sender) == ["rejected not_permitted"]


@pytest.mark.parametrize("status", ["preparing", "dispatched", "cancelled", "lost at sea"])
async def test_a_report_that_is_none_is_refused(status: str, house: House) -> None:
    """Carriers say in_transit or delivered."""
    await tell(house, CONFIRMED, DISPATCH)
    report = RecordCarrierEvent(order_id=ORDER, status=status)
    assert await tell(house, report) == ["rejected move_not_allowed"]


async def test_staff_may_be_faster_than_the_queue(house: House) -> None:
    """The order is confirmed, its event still on its way: the dispatch goes through, the event changes nothing."""
    order_in(house, OrderStatus.CONFIRMED)
    assert await tell(house, DISPATCH, CONFIRMED) == ["pending", "succeeded"]
    assert shipment(house).status is ShipmentStatus.DISPATCHED
    assert len(shipment(house).lines) == len(LINES)


@pytest.mark.parametrize(
    "way", [(), (OrderStatus.CANCELLED,), (OrderStatus.CONFIRMED, OrderStatus.CANCELLED)]
)
async def test_an_order_that_is_not_to_be_sent_is_not(way: tuple[OrderStatus, ...], house: House) -> None:
    """Unpaid or cancelled: refused, even where the shipment has not heard of it."""
    order_in(house, *way)
    if OrderStatus.CONFIRMED in way:
        await tell(house, CONFIRMED)
    assert await tell(house, DISPATCH) == ["rejected move_not_allowed"]
    assert house.sent == []


async def test_cancelled_before_confirmed_is_never_sent(house: House) -> None:
    """Events overtake each other: the late confirmation prepares nothing."""
    order_in(house, OrderStatus.CONFIRMED, OrderStatus.CANCELLED)
    await tell(house, CANCELLED, CONFIRMED)
    assert shipment(house).status is ShipmentStatus.CANCELLED
    assert await tell(house, DISPATCH) == ["rejected move_not_allowed"]


async def test_an_order_that_was_never_confirmed_leaves_no_shipment(house: House) -> None:
    """A declined payment's cancellation has nothing to cancel here."""
    order_in(house, OrderStatus.CANCELLED)
    await tell(house, CANCELLED)
    assert house.get(Shipment, ORDER) is None


async def test_a_parcel_that_left_a_cancelled_order_is_marked_for_recall(house: House) -> None:
    """The order was cancelled while the parcel was handed over: somebody is told to get it back, once."""
    await tell(house, CONFIRMED, DISPATCH, CANCELLED, CANCELLED)
    found = shipment(house)
    assert found.status is ShipmentStatus.DISPATCHED
    assert found.recall
    assert [each.reason for each in found.history if each.reason] == [CANCELLED.reason]
    await tell(house, ARRIVED)
    assert house.told(ShipmentDelivered) == []


async def test_delivery_waits_until_the_order_knows_that_it_was_shipped(house: House) -> None:
    """A report that overtakes the dispatch is tried again later."""
    order_in(house, OrderStatus.CONFIRMED)
    await tell(house, CONFIRMED, DISPATCH)
    with pytest.raises(Transient):
        await tell(house, ARRIVED)
    order_in(house, OrderStatus.CONFIRMED, OrderStatus.SHIPPED)
    await tell(house, ARRIVED)
    assert house.told(ShipmentDelivered) == [ShipmentDelivered(order_id=ORDER, at=NOW)]


async def test_every_order_of_events_ends_without_a_parcel_nobody_wants() -> None:
    """Confirmed, dispatched and cancelled in every order: either nothing leaves, or it is marked for recall."""
    for way in permutations([CONFIRMED, DISPATCH, CANCELLED]):
        house = House()
        await tell(house, *way)
        found = house.get(Shipment, ORDER)
        assert found is not None
        assert found.status is ShipmentStatus.CANCELLED or found.recall, way
        assert bool(house.sent) == found.recall


@settings(max_examples=100, deadline=None)
@given(way=st.lists(st.sampled_from([CONFIRMED, DISPATCH, IN_TRANSIT, ARRIVED, CANCELLED]), max_size=12))
async def test_each_event_of_a_parcel_is_told_once(way: list[Message]) -> None:
    """However commands and events repeat and mix: one dispatch, one delivery, and none before the other."""
    house = House()
    await tell(house, *way)
    names = [type(each).__name__ for each in house.sent]
    assert names in ([], ["ShipmentDispatched"], ["ShipmentDispatched", "ShipmentDelivered"])

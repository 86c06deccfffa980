"""What carts do, as plain functions on documents."""

from collections.abc import Iterable
from typing import Any

import pytest

from broker.groups import Desk, Offer
from broker.messages import (
    SYSTEM,
    AddItem,
    ClearCart,
    MergeCart,
    OrderPlaced,
    PlaceOrder,
    PostalAddress,
    RemoveItem,
    Sender,
    SetItem,
)
from documents.carts import Cart, CartStatus
from documents.orders import PAYMENT_DUE, Order, OrderStatus
from documents.refusals import (
    CartEmpty,
    CurrencyMismatch,
    NotForSale,
    NotPermitted,
    OutOfStock,
    PriceChanged,
)
from documents.stock import Reason
from handlers.carts import (
    add_item,
    clear_cart,
    merge_cart,
    place_order,
    remove_item,
    set_item,
    titles,
)
from tests.handlers.cart_desks import CART, ONE, OWNER, TWO, cart_with, desk_for, offer
from tests.handlers.desks import NOW

ADDRESS = PostalAddress(name="n", line1="l", city="c", postal_code="p", country="DE")


def order_of(**fields: Any) -> PlaceOrder:
    """The command."""
    given: dict[str, Any] = {
        "cart_id": CART,
        "order_id": "o1",
        "email": "a@b.example",
        "shipping_address": ADDRESS,
        "shipping_method": "standard",
        "payment_token": "tok_ok",
    }
    return PlaceOrder(**{**given, **fields})


def placed(
    cart: Cart, offers: Iterable[Offer], stock: dict[str, int], **fields: Any
) -> tuple[Order, OrderPlaced, Desk]:
    """The order that a cart became, its event, and the desk."""
    command = order_of(**fields)
    desk = desk_for(command, offers=offers, stock=stock)
    effects = place_order(cart, command, desk)
    (order,) = effects.created
    (event,) = effects.messages
    assert isinstance(order, Order)
    assert isinstance(event, OrderPlaced)
    return order, event, desk


def test_an_added_line_takes_todays_price_and_title() -> None:
    """Adding asks whether the title is for sale, not how many are left."""
    cart = cart_with((ONE, 1, 500))
    command = AddItem(cart_id=CART, isbn=ONE, quantity=2)
    effects = add_item(cart, command, desk_for(command, offers=[offer(ONE, 700)]))
    line = cart.lines[ONE]
    assert (line.quantity, line.unit_price, line.title) == (3, 700, "Title 04")
    assert (effects.resource, effects.messages, cart.updated_at) == (f"carts/{CART}", (), NOW)


@pytest.mark.parametrize("handler", [add_item, set_item])
def test_a_title_that_is_not_for_sale_or_not_in_the_shops_currency_is_refused(handler: Any) -> None:
    """And the cart stays as it was: shipping is priced in one currency, so another could not be added up."""
    command = (AddItem if handler is add_item else SetItem)(cart_id=CART, isbn=ONE, quantity=1)
    cart = cart_with()
    with pytest.raises(NotForSale):
        handler(cart, command, desk_for(command))
    with pytest.raises(CurrencyMismatch):
        handler(cart, command, desk_for(command, offers=[offer(ONE, 1, "USD")]))
    assert not cart.changed


def test_setting_removing_and_clearing() -> None:
    """PUT sets or adds, an absent line is removed without a change, clearing empties."""
    cart = cart_with((ONE, 5, 500))
    put = SetItem(cart_id=CART, isbn=TWO, quantity=7)
    set_item(cart, put, desk_for(put, offers=[offer(TWO, 100)]))
    gone = RemoveItem(cart_id=CART, isbn=ONE)
    remove_item(cart, gone, desk_for(gone))
    rev = cart.rev
    remove_item(cart, gone, desk_for(gone))
    assert (list(cart.lines), cart.lines[TWO].quantity, cart.rev) == ([TWO], 7, rev)
    clear = ClearCart(cart_id=CART)
    clear_cart(cart, clear, desk_for(clear))
    assert cart.lines == {}


@pytest.mark.parametrize(
    "sender",
    [Sender("user:2"), Sender("guest:other", holds=("other",)), Sender("user:2", roles=("staff",)), SYSTEM],
)
def test_nobody_changes_anothers_cart(sender: Sender) -> None:
    """The worker checks again: neither another shopper, nor staff, nor who holds another cart's token."""
    commands: list[tuple[Any, Any]] = [
        (add_item, AddItem(cart_id=CART, isbn=ONE, quantity=1)),
        (set_item, SetItem(cart_id=CART, isbn=ONE, quantity=1)),
        (remove_item, RemoveItem(cart_id=CART, isbn=ONE)),
        (clear_cart, ClearCart(cart_id=CART)),
        (place_order, order_of()),
        (merge_cart, MergeCart(cart_id=CART, into="other")),
    ]
    cart = cart_with((ONE, 1, 500))
    before = cart.stored()
    for handler, command in commands:
        with pytest.raises(NotPermitted):
            handler(cart, command, desk_for(command, sender, [offer(ONE, 1)], {ONE: 9}))
    assert cart.stored() == before


def test_a_guest_changes_the_cart_whose_token_they_showed() -> None:
    """The token is the right."""
    command = AddItem(cart_id="g", isbn=ONE, quantity=1)
    cart = Cart(id="g")
    add_item(cart, command, desk_for(command, Sender("guest:g", holds=("g",)), [offer(ONE, 1)]))
    assert cart.lines[ONE].quantity == 1


def test_an_order_takes_the_lines_the_prices_and_the_stock_of_the_moment() -> None:
    """The cart is empty and open after; copies are reserved in the order's name; the total adds up, VAT in it."""
    cart = cart_with((ONE, 2, 1000), (TWO, 1, 500))
    order, event, desk = placed(cart, [offer(ONE, 1000), offer(TWO, 500)], {ONE: 2, TWO: 9})
    assert (order.subtotal, order.shipping, order.total, order.tax) == (2500, 390, 2890, 189)
    assert (order.status, order.rev, order.owner, order.sender) == (OrderStatus.PLACED, 1, "1", "user:1")
    assert order.due_at == NOW + PAYMENT_DUE
    assert (cart.lines, cart.status, cart.currency) == ({}, CartStatus.OPEN, None)
    assert {isbn: stock.available for isbn, stock in desk.stock.items()} == {ONE: 0, TWO: 8}
    movement = desk.stock[ONE].movements(NOW)[0]
    assert (movement["reason"], movement["reserved"], movement["order_id"]) == (Reason.RESERVED, 2, "o1")
    assert (event.total, event.payment_token, len(event.lines)) == (2890, "tok_ok", 2)


def test_a_guests_order_keeps_what_opens_it() -> None:
    """An account opens its orders itself: whatever the command says, only a guest's holds a token, and tells it."""
    for sender, kept in ((Sender("guest:g", holds=(CART,)), "opens-it"), (OWNER, None)):
        command = order_of(guest_token="opens-it")
        desk = desk_for(command, sender, [offer(ONE, 1000)], {ONE: 9})
        effects = place_order(cart_with((ONE, 1, 1000)), command, desk)
        (order,), (event,) = effects.created, effects.messages
        assert isinstance(order, Order)
        assert isinstance(event, OrderPlaced)
        assert (order.guest_token, event.guest_token) == (kept, kept)


def test_a_price_that_fell_is_passed_on() -> None:
    """Nobody has to agree to pay less."""
    order, _, _ = placed(cart_with((ONE, 2, 1000)), [offer(ONE, 900)], {ONE: 9})
    assert order.total == 1800 + 390
    order, _, _ = placed(cart_with((ONE, 2, 1000)), [offer(ONE, 900)], {ONE: 9}, expected_total=2390)
    assert order.total == 1800 + 390


def test_a_price_that_rose_is_refused_until_the_sender_agrees() -> None:
    """The refusal names the title and both totals; `expected_total` agrees, and no further than it says."""
    cart = cart_with((ONE, 2, 1000), (TWO, 1, 500))
    offers, stock = [offer(ONE, 1100), offer(TWO, 500)], {ONE: 9, TWO: 9}
    before = cart.stored()
    with pytest.raises(PriceChanged) as risen:
        placed(cart, offers, stock)
    assert risen.value.details["total"] == {"amount": 3090, "currency": "EUR"}
    assert risen.value.details["expected_total"] == {"amount": 2890, "currency": "EUR"}
    (title,) = risen.value.details["titles"]
    assert title["isbn"] == ONE
    assert title["unit_price"] == {"amount": 1100, "currency": "EUR"}
    assert title["was"] == {"amount": 1000, "currency": "EUR"}
    with pytest.raises(PriceChanged):
        placed(cart, offers, stock, expected_total=3089)
    assert cart.stored() == before
    order, _, _ = placed(cart, offers, stock, expected_total=3090)
    assert order.total == 3090


def test_every_short_title_is_named_and_nothing_is_reserved() -> None:
    """All or nothing: two of three titles are short, and both are told with what is left."""
    cart = cart_with((ONE, 3, 100), (TWO, 1, 100))
    command = order_of()
    desk = desk_for(command, offers=[offer(ONE, 100), offer(TWO, 100)], stock={ONE: 2, TWO: 0})
    before = cart.stored()
    with pytest.raises(OutOfStock) as short:
        place_order(cart, command, desk)
    left = {title["isbn"]: (title["quantity"], title["available"]) for title in short.value.details["titles"]}
    assert left == {ONE: (3, 2), TWO: (1, 0)}
    assert cart.stored() == before
    assert not any(stock.changed for stock in desk.stock.values())


def test_an_empty_cart_or_a_title_no_longer_sold_cannot_be_ordered() -> None:
    """`cart_empty`, `not_for_sale`."""
    with pytest.raises(CartEmpty):
        placed(cart_with(), [], {})
    with pytest.raises(NotForSale):
        placed(cart_with((ONE, 1, 100)), [], {ONE: 9})


def test_titles_name_what_a_command_needs() -> None:
    """The line's title for a change of it, all of the cart's for an order, none for what takes away."""
    cart = cart_with((ONE, 1, 1), (TWO, 1, 1))
    assert list(titles(cart, AddItem(cart_id=CART, isbn=ONE, quantity=1))) == [ONE]
    assert list(titles(cart, order_of())) == [ONE, TWO]
    assert list(titles(cart, ClearCart(cart_id=CART))) == []

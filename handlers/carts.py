"""What carts do: take lines in and out, merge, and turn into orders."""

from collections.abc import Iterable
from typing import Any

from broker.groups import Desk, Effects, Follow, Offer, OrderedGroup
from broker.messages import (
    AbsorbCart,
    AddItem,
    ClearCart,
    HandedLine,
    MergeCart,
    OrderedLine,
    OrderPlaced,
    PlaceOrder,
    RemoveItem,
    ReopenCart,
    SetItem,
    WhyNot,
)
from broker.messages.carts import CartCommand
from documents.accounts import cart_of
from documents.carts import Cart, CartLine
from documents.orders import PAYMENT_DUE, Address, Order, OrderLine
from documents.refusals import (
    CurrencyMismatch,
    NotForSale,
    NotPermitted,
    OutOfStock,
    PriceChanged,
    Refusal,
)


def add_item(cart: Cart, command: AddItem, desk: Desk) -> Effects:
    """Asks whether the title is for sale, not how many are left: that is decided when the order is placed."""
    _require_right(cart, desk)
    offer = _offer(command.isbn, desk)
    cart.add(offer.isbn, offer.title, offer.unit_price, offer.currency, command.quantity)
    return _done(cart, desk)


def set_item(cart: Cart, command: SetItem, desk: Desk) -> Effects:
    """Sets the line to a quantity, adding it where it is missing."""
    _require_right(cart, desk)
    offer = _offer(command.isbn, desk)
    cart.put(offer.isbn, offer.title, offer.unit_price, offer.currency, command.quantity)
    return _done(cart, desk)


def remove_item(cart: Cart, command: RemoveItem, desk: Desk) -> Effects:
    """Takes a line out; an absent one succeeds."""
    _require_right(cart, desk)
    cart.remove(command.isbn)
    return _done(cart, desk)


def clear_cart(cart: Cart, _command: ClearCart, desk: Desk) -> Effects:
    """Takes every line out."""
    _require_right(cart, desk)
    cart.clear()
    return _done(cart, desk)


def merge_cart(cart: Cart, command: MergeCart, desk: Desk) -> Effects:
    """First step: this cart closes and its lines leave; the operation ends with the second."""
    if cart.id not in desk.sender.holds or not _owns(command.into, desk):
        raise NotPermitted(desk.sender.id, cart.kind, cart.id)
    if command.into == cart.id:  # closing it would lose its lines
        return _done(cart, desk)
    currency = cart.currency
    lines = cart.close(command.into)
    handed = tuple(
        HandedLine(isbn=isbn, title=line.title, quantity=line.quantity, unit_price=line.unit_price)
        for isbn, line in lines.items()
    )
    absorb = AbsorbCart(cart_id=command.into, source=cart.id, currency=currency, lines=handed)
    cart.updated_at = desk.now
    return Effects(
        resource=f"carts/{command.into}",
        messages=(Follow(absorb, finishes_operation=True),),
        pending=True,
    )


def absorb_cart(cart: Cart, command: AbsorbCart, desk: Desk) -> Effects:
    """Second step: the lines arrive, or go back where this cart takes none or not so many."""
    _require_system(cart, desk)
    try:
        cart.absorb(_lines(command.lines), command.currency)
    except Refusal as refusal:
        back = ReopenCart(
            cart_id=command.source,
            into=cart.id,
            currency=command.currency,
            lines=command.lines,
            why=WhyNot(refusal.code, refusal.message, refusal.details),
        )
        return Effects(
            resource=f"carts/{cart.id}", messages=(Follow(back, finishes_operation=True),), refusal=refusal
        )
    return _done(cart, desk)


def reopen_cart(cart: Cart, command: ReopenCart, desk: Desk) -> Effects:
    """Third step of a merge that was refused: this cart is as it was, and the sender hears why."""
    _require_system(cart, desk)
    cart.reopen(command.into, _lines(command.lines), command.currency)
    if cart.changed:
        cart.updated_at = desk.now
    why = command.why
    return Effects(
        resource=f"carts/{command.into}", refusal=Refusal.earlier(why.code, why.message, why.details)
    )


def place_order(cart: Cart, command: PlaceOrder, desk: Desk) -> Effects:
    """The cart becomes an order: stock reserved, prices of now, the cart emptied, all in one transaction."""
    _require_right(cart, desk)
    order = price_order(cart, command, desk)
    cause = desk.envelope.id
    cart.check_out()
    cart.updated_at = desk.now
    for line in order.lines:
        desk.stock[line.isbn].reserve(line.quantity, cause, order.id)
    order.place(desk.now)
    placed = OrderPlaced(
        order_id=order.id,
        status=order.status,
        at=desk.now,
        email=order.email,
        owner=order.owner,
        total=order.total,
        currency=order.currency,
        guest_token=order.guest_token,
        payment_token=order.payment_token,
        lines=tuple(
            OrderedLine(isbn=line.isbn, title=line.title, quantity=line.quantity, unit_price=line.unit_price)
            for line in order.lines
        ),
    )
    return Effects(resource=f"orders/{order.id}", created=(order,), messages=(placed,))


def price_order(cart: Cart, command: PlaceOrder, desk: Desk) -> Order:
    """The order that the cart would become, or the refusal that says why not. Changes nothing.

    A price that fell is passed on; a total that rose needs the sender's agreement (`expected_total`).
    """
    cart.require_orderable()
    lines = [_order_line(isbn, line, desk) for isbn, line in cart.lines.items()]
    _require_stock(lines, desk)
    subtotal = sum(line.total for line in lines)
    shipping = desk.terms.shipping(command.shipping_method).price
    total = subtotal + shipping
    agreed = cart.total + shipping if command.expected_total is None else command.expected_total
    if total > agreed:
        raise PriceChanged(agreed, total, desk.terms.currency, _risen(cart, lines, desk.terms.currency))
    address = command.shipping_address
    return Order(
        id=command.order_id,
        sender=desk.sender.id,
        placed_by=desk.envelope.id,
        owner=desk.sender.user_id,
        guest_token=command.guest_token if desk.sender.user_id is None else None,
        email=command.email,
        cart_id=cart.id,
        lines=lines,
        currency=desk.terms.currency,
        subtotal=subtotal,
        shipping=shipping,
        tax=desk.terms.included_vat(total),
        total=total,
        shipping_address=Address(
            name=address.name,
            line1=address.line1,
            line2=address.line2,
            city=address.city,
            postal_code=address.postal_code,
            country=address.country,
        ),
        shipping_method=command.shipping_method,
        payment_token=command.payment_token,
        placed_at=desk.now,
        due_at=desk.now + PAYMENT_DUE,
    )


def _order_line(isbn: str, line: CartLine, desk: Desk) -> OrderLine:
    offer = _offer(isbn, desk)
    return OrderLine(isbn=isbn, title=offer.title, quantity=line.quantity, unit_price=offer.unit_price)


def _require_stock(lines: list[OrderLine], desk: Desk) -> None:
    short = [line for line in lines if not desk.stock[line.isbn].can_reserve(line.quantity)]
    if short:
        raise OutOfStock(
            {
                "isbn": line.isbn,
                "title": line.title,
                "quantity": line.quantity,
                "available": max(0, desk.stock[line.isbn].available),
            }
            for line in short
        )


def _risen(cart: Cart, lines: list[OrderLine], currency: str) -> list[dict[str, Any]]:
    return [
        {
            "isbn": line.isbn,
            "title": line.title,
            "unit_price": {"amount": line.unit_price, "currency": currency},
            "was": {"amount": cart.lines[line.isbn].unit_price, "currency": currency},
        }
        for line in lines
        if line.unit_price > cart.lines[line.isbn].unit_price
    ]


def _offer(isbn: str, desk: Desk) -> Offer:
    offer = desk.offers.get(isbn)
    if offer is None:
        raise NotForSale(isbn)
    if offer.currency != desk.terms.currency:  # shipping is priced in the shop's: they could not be added up
        raise CurrencyMismatch(isbn, offer.currency, desk.terms.currency)
    return offer


def _owns(cart_id: str, desk: Desk) -> bool:
    sender = desk.sender
    return cart_id in sender.holds or (sender.user_id is not None and cart_id == cart_of(sender.user_id))


def _require_right(cart: Cart, desk: Desk) -> None:
    if not _owns(cart.id, desk):
        raise NotPermitted(desk.sender.id, cart.kind, cart.id)


def _require_system(cart: Cart, desk: Desk) -> None:
    if not desk.sender.is_system:
        raise NotPermitted(desk.sender.id, cart.kind, cart.id)


def _lines(handed: Iterable[HandedLine]) -> dict[str, CartLine]:
    return {
        line.isbn: CartLine(title=line.title, quantity=line.quantity, unit_price=line.unit_price)
        for line in handed
    }


def _done(cart: Cart, desk: Desk) -> Effects:
    if cart.changed:
        cart.updated_at = desk.now
    return Effects(resource=f"carts/{cart.id}")


def titles(cart: Cart, command: CartCommand) -> Iterable[str]:
    """The titles whose price or stock the command asks for."""
    if isinstance(command, AddItem | SetItem):
        return (command.isbn,)
    if isinstance(command, AbsorbCart | ReopenCart):
        return [line.isbn for line in command.lines]
    if isinstance(command, PlaceOrder):
        return cart.lines
    return ()


CARTS = OrderedGroup(
    name="carts",
    actor=Cart,
    handlers={
        AddItem: add_item,
        SetItem: set_item,
        RemoveItem: remove_item,
        ClearCart: clear_cart,
        MergeCart: merge_cart,
        AbsorbCart: absorb_cart,
        ReopenCart: reopen_cart,
        PlaceOrder: place_order,
    },
    fresh=lambda key: Cart(id=key),
    titles=titles,
    offers_for=frozenset({AddItem, SetItem, PlaceOrder}),
    stock_for=frozenset({PlaceOrder}),
)

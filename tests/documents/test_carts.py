"""The rules of a cart's lines, held against a plain model by hypothesis."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from documents.carts import LINES_MAX, QUANTITY_MAX, Cart, CartLine, CartStatus
from documents.refusals import CartEmpty, CartFull, CartMerged, CurrencyMismatch, QuantityTooLarge, Refusal

ISBNS = [f"97800000000{n:02}" for n in range(6)]
isbns = st.sampled_from(ISBNS)
quantities = st.integers(1, QUANTITY_MAX + 2)
prices = st.integers(0, 5000)
currencies = st.sampled_from(["EUR", "EUR", "EUR", "USD"])


def applied(stored: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    """A stored document after an update with `$set` and `$unset`, dotted paths included."""
    result = deepcopy(stored)
    for path, value in delta.get("$set", {}).items():
        *parents, last = path.split(".")
        place = result
        for parent in parents:
            place = place[parent]
        place[last] = value
    for path in delta.get("$unset", {}):
        *parents, last = path.split(".")
        place = result
        for parent in parents:
            place = place[parent]
        place.pop(last, None)
    return result


class CartMachine(RuleBasedStateMachine):
    """Every command that a cart takes, in any order, loaded and written at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.cart = Cart(id="c")
        self.cart.add(ISBNS[0], "T", 100, "EUR", 1)
        self.model = {ISBNS[0]: (1, 100)}
        self.written = self.cart.stored()
        self.cart = Cart.loaded(self.written)

    def attempt(self, *call: Any) -> bool:
        """Calls a method; a refusal must leave the cart as it was, and be counted as no change."""
        method, *arguments = call
        before, changed, rev = self.cart.stored(), self.cart.changed, self.cart.rev
        try:
            method(*arguments)
        except Refusal:
            refused = True
        else:
            refused = False
        if refused:
            assert self.cart.stored() == before
            assert (self.cart.changed, self.cart.rev) == (changed, rev)
        return not refused

    @rule(isbn=isbns, quantity=quantities, price=prices, currency=currencies)
    def add(self, isbn: str, quantity: int, price: int, currency: str) -> None:
        """Copies on top of those that are there."""
        if self.attempt(self.cart.add, isbn, "T", price, currency, quantity):
            self.model[isbn] = (self.model.get(isbn, (0, 0))[0] + quantity, price)

    @rule(isbn=isbns, quantity=quantities, price=prices, currency=currencies)
    def put(self, isbn: str, quantity: int, price: int, currency: str) -> None:
        """Exactly that many."""
        if self.attempt(self.cart.put, isbn, "T", price, currency, quantity):
            self.model[isbn] = (quantity, price)

    @rule(isbn=isbns)
    def remove(self, isbn: str) -> None:
        """An absent line is no change."""
        rev = self.cart.rev
        if self.attempt(self.cart.remove, isbn):
            assert self.cart.rev == rev + (1 if self.model.pop(isbn, None) else 0)

    @rule()
    def clear(self) -> None:
        """Every line goes."""
        if self.attempt(self.cart.clear):
            self.model = {}

    @rule()
    def check_out(self) -> None:
        """An order takes every line; an empty cart has none to give."""
        if self.attempt(self.cart.check_out):
            assert self.model
            self.model = {}

    @rule(isbn=isbns, quantity=st.integers(1, QUANTITY_MAX), price=prices, currency=currencies)
    def absorb(self, isbn: str, quantity: int, price: int, currency: str) -> None:
        """Another cart's lines: quantities add up to what one line takes."""
        line = CartLine(title="T", quantity=quantity, unit_price=price)
        if self.attempt(self.cart.absorb, {isbn: line}, currency):
            mine = self.model.get(isbn, (0, 0))[0]
            self.model[isbn] = (min(QUANTITY_MAX, mine + quantity), price)

    @precondition(lambda self: self.cart.rev > 8)
    @rule()
    def close(self) -> None:
        """Merged away."""
        if self.attempt(self.cart.close, "other"):
            self.model = {}

    @rule()
    def write(self) -> None:
        """What the one guarded write makes of the stored document is what the cart is."""
        if self.cart.changed:
            self.written = applied(self.written, self.cart.delta())
            assert self.written == self.cart.stored()
            self.cart = Cart.loaded(self.written)
        assert not self.cart.changed

    @invariant()
    def holds(self) -> None:
        """Lines, total and currency are the model's."""
        lines = {isbn: (line.quantity, line.unit_price) for isbn, line in self.cart.lines.items()}
        assert lines == self.model
        assert self.cart.total == sum(quantity * price for quantity, price in self.model.values())
        assert all(1 <= quantity <= QUANTITY_MAX for quantity, _ in self.model.values())
        if self.cart.status is CartStatus.OPEN:
            assert (self.cart.currency is None) == (not self.model)
        assert applied(self.written, self.cart.delta()) == self.cart.stored()


CartMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestCartMachine = CartMachine.TestCase


def test_a_line_put_in_and_taken_out_between_two_writes_leaves_nothing() -> None:
    """A line that came and went before the write is unset, and the update is one that MongoDB takes."""
    cart = Cart.loaded(Cart(id="c", rev=1).stored())
    cart.add(ISBNS[1], "T", 100, "EUR", 1)
    cart.remove(ISBNS[1])
    delta = cart.delta()
    assert delta["$unset"] == {f"lines.{ISBNS[1]}": ""}
    assert not any(path.startswith("lines.") for path in delta["$set"])


def test_a_full_cart_still_takes_more_of_what_it_holds() -> None:
    """The limit is on different titles: a known one grows, an unknown one is refused."""
    cart = Cart(id="c")
    for n in range(LINES_MAX):
        cart.add(f"{n:013}", "T", 1, "EUR", 1)
    cart.add(f"{0:013}", "T", 1, "EUR", 1)
    with pytest.raises(CartFull):
        cart.add("9780000000000", "T", 1, "EUR", 1)


def test_a_merged_cart_refuses_everything() -> None:
    """Closed is closed, and says where the lines went."""
    cart = Cart(id="c")
    cart.close("other")
    line = CartLine(title="T", quantity=1, unit_price=1)
    for call in (
        lambda: cart.add(ISBNS[0], "T", 1, "EUR", 1),
        lambda: cart.put(ISBNS[0], "T", 1, "EUR", 1),
        lambda: cart.remove(ISBNS[0]),
        cart.clear,
        cart.check_out,
        lambda: cart.close("third"),
        lambda: cart.absorb({ISBNS[0]: line}, "EUR"),
    ):
        with pytest.raises(CartMerged) as refused:
            call()
        assert refused.value.details["merged_into"] == "other"


def test_a_quantity_beyond_the_limit_and_another_currency_are_refused() -> None:
    """Both name the title; the cart keeps what it had."""
    cart = Cart(id="c")
    cart.add(ISBNS[0], "T", 1, "EUR", QUANTITY_MAX)
    with pytest.raises(QuantityTooLarge) as too_many:
        cart.add(ISBNS[0], "T", 1, "EUR", 1)
    assert too_many.value.details["quantity"] == QUANTITY_MAX + 1
    with pytest.raises(CurrencyMismatch):
        cart.add(ISBNS[1], "T", 1, "USD", 1)
    assert list(cart.lines) == [ISBNS[0]]


def test_an_empty_cart_cannot_be_ordered() -> None:
    """`cart_empty`, also after its lines were taken out again."""
    cart = Cart(id="c", updated_at=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(CartEmpty):
        cart.require_orderable()
    cart.add(ISBNS[0], "T", 1, "EUR", 1)
    cart.clear()
    with pytest.raises(CartEmpty):
        cart.check_out()

"""Merging carts: the source closes, its lines arrive at the target, or come back where it does not take them."""

from typing import Any

import pytest

from broker.groups import Effects, Follow
from broker.messages import SYSTEM, AbsorbCart, HandedLine, MergeCart, ReopenCart, Sender, WhyNot
from documents.carts import LINES_MAX, QUANTITY_MAX, Cart, CartStatus
from documents.refusals import CartFull, CartMerged, NotPermitted
from handlers.carts import absorb_cart, merge_cart, reopen_cart
from tests.handlers.cart_desks import CART, ONE, OWNER, TWO, cart_with, desk_for


def test_a_merge_goes_in_two_steps() -> None:
    """The source closes and its lines leave; they arrive at the target, bounded by what a line takes."""
    guest = Cart(id="g")
    guest.add(ONE, "T", 700, "EUR", 600)
    command = MergeCart(cart_id="g", into=CART)
    effects = merge_cart(guest, command, desk_for(command, Sender("user:1", holds=("g",))))
    assert (guest.status, guest.merged_into, guest.lines, effects.pending) == (
        CartStatus.MERGED,
        CART,
        {},
        True,
    )
    (follow,) = effects.messages
    assert isinstance(follow, Follow)
    assert follow.finishes_operation
    absorb = follow.message
    assert isinstance(absorb, AbsorbCart)
    mine = cart_with((ONE, 500, 650))
    absorb_cart(mine, absorb, desk_for(absorb, SYSTEM))
    assert (mine.lines[ONE].quantity, mine.lines[ONE].unit_price) == (QUANTITY_MAX, 700)
    with pytest.raises(CartMerged):
        merge_cart(guest, command, desk_for(command, Sender("user:1", holds=("g",))))


def test_a_merge_needs_both_carts_and_absorbing_is_our_own_business() -> None:
    """Source by token, target by right; nobody but a worker hands lines over."""
    for sender in (OWNER, Sender("user:2", holds=("g",)), Sender("guest:g", holds=("g",))):
        command = MergeCart(cart_id="g", into=CART)
        with pytest.raises(NotPermitted):
            merge_cart(Cart(id="g"), command, desk_for(command, sender))
    absorb = AbsorbCart(cart_id=CART, source="g", currency="EUR", lines=(HandedLine(ONE, "T", 1, 1),))
    with pytest.raises(NotPermitted):
        absorb_cart(cart_with(), absorb, desk_for(absorb, OWNER))


def step_after(effects: Effects) -> Any:
    """The message that ends the operation."""
    (follow,) = effects.messages
    assert isinstance(follow, Follow)
    assert follow.finishes_operation
    return follow.message


def full_cart() -> Cart:
    """A cart that takes no other title."""
    cart = Cart(id=CART)
    for number in range(LINES_MAX):
        cart.add(f"{number:013}", "T", 1, "EUR", 1)
    return cart


def test_a_merge_that_is_refused_gives_the_lines_back() -> None:
    """The target is full: the source is open again with every line, and the sender hears why."""
    guest = Cart(id="g")
    guest.add(ONE, "T", 700, "EUR", 3)
    guest.add(TWO, "U", 900, "EUR", 1)
    before = guest.lines
    command = MergeCart(cart_id="g", into=CART)
    absorb = step_after(merge_cart(guest, command, desk_for(command, Sender("user:1", holds=("g",)))))
    target = full_cart()
    target.saved()
    refused = absorb_cart(target, absorb, desk_for(absorb, SYSTEM))
    assert isinstance(refused.refusal, CartFull)
    assert refused.hands_on
    assert not target.changed
    back = step_after(refused)
    assert isinstance(back, ReopenCart)
    told = reopen_cart(guest, back, desk_for(back, SYSTEM))
    assert (guest.status, guest.merged_into, guest.lines, guest.currency, guest.rev) == (
        CartStatus.OPEN,
        None,
        before,
        "EUR",
        4,
    )
    assert told.refusal is not None
    assert (told.refusal.code, told.refusal.details) == (
        "cart_full",
        {"cart_id": CART, "lines_max": LINES_MAX},
    )
    assert not told.hands_on


def test_two_carts_merged_into_each_other_lose_nothing() -> None:
    """Both are closed when the lines arrive: both take their own back."""
    one, two = Cart(id="g"), Cart(id="h")
    one.add(ONE, "T", 700, "EUR", 1)
    two.add(TWO, "T", 700, "EUR", 1)
    both = Sender("guest:g", holds=("g", "h"))
    there, here = MergeCart(cart_id="g", into="h"), MergeCart(cart_id="h", into="g")
    to_two = step_after(merge_cart(one, there, desk_for(there, both)))
    to_one = step_after(merge_cart(two, here, desk_for(here, both)))
    back_to_one = step_after(absorb_cart(two, to_two, desk_for(to_two, SYSTEM)))
    back_to_two = step_after(absorb_cart(one, to_one, desk_for(to_one, SYSTEM)))
    reopen_cart(one, back_to_one, desk_for(back_to_one, SYSTEM))
    reopen_cart(two, back_to_two, desk_for(back_to_two, SYSTEM))
    assert (list(one.lines), list(two.lines)) == ([ONE], [TWO])


def test_a_cart_is_reopened_once_and_by_us_alone() -> None:
    """A second return changes nothing, whatever was put in since; a shopper cannot hand lines over."""
    guest = Cart(id="g")
    guest.add(ONE, "T", 700, "EUR", 1)
    lines, why = (HandedLine(TWO, "T", 1, 1),), WhyNot("cart_full", "full", {})
    back = ReopenCart(cart_id="g", into=CART, currency="EUR", lines=lines, why=why)
    guest.saved()
    reopen_cart(guest, back, desk_for(back, SYSTEM))
    assert not guest.changed
    with pytest.raises(NotPermitted):
        reopen_cart(guest, back, desk_for(back, OWNER))


def test_a_cart_merged_into_itself_stays_as_it_is() -> None:
    """Closing it would lose its lines."""
    guest = Cart(id="g")
    guest.add(ONE, "T", 700, "EUR", 2)
    rev = guest.rev
    command = MergeCart(cart_id="g", into="g")
    effects = merge_cart(guest, command, desk_for(command, Sender("guest:g", holds=("g",))))
    assert (guest.status, guest.rev, effects.messages, effects.pending) == (CartStatus.OPEN, rev, (), False)


def test_an_empty_cart_can_be_merged() -> None:
    """Nothing arrives, and the operation ends all the same."""
    command = MergeCart(cart_id="g", into=CART)
    effects = merge_cart(Cart(id="g"), command, desk_for(command, Sender("user:1", holds=("g",))))
    (follow,) = effects.messages
    assert isinstance(follow, Follow)
    mine = cart_with()
    absorb_cart(mine, follow.message, desk_for(follow.message, SYSTEM))  # type: ignore[arg-type]
    assert not mine.changed

"""The rules that can say no.

A refusal is an expected outcome, not an error: the command ends `rejected`, its sender reads the stable `code`, and
nothing is retried. Every code is listed in docs/problems.md; a test holds the two lists together.
"""

from collections.abc import Iterable
from typing import Any, ClassVar


class Refusal(Exception):
    """A rule says no.

    `code` is stable and meant for programs, the text for people, `details` for both (JSON values only).
    """

    code: ClassVar[str]

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    @classmethod
    def earlier(cls, code: str, message: str, details: dict[str, Any]) -> "Refusal":
        """A rule's no that travelled with a message to the step that tells it."""
        refusal = cls(message, **details)
        refusal.code = code  # type: ignore[misc]  # of the rule that said it
        return refusal


class OutOfStock(Refusal):
    """Fewer copies are left than were asked for."""

    code = "out_of_stock"

    def __init__(self, shortages: Iterable[dict[str, Any]]) -> None:
        titles = list(shortages)
        names = ", ".join(f"{title['title']} ({title['available']} left)" for title in titles)
        super().__init__(f"Not enough copies of: {names}", titles=titles)


class CartEmpty(Refusal):
    """An order needs at least one line."""

    code = "cart_empty"

    def __init__(self, cart_id: str) -> None:
        super().__init__(f"Cart {cart_id} has no lines to order", cart_id=cart_id)


class CartMerged(Refusal):
    """The cart was merged into another one and takes no more commands."""

    code = "cart_merged"

    def __init__(self, cart_id: str, into: str | None) -> None:
        super().__init__(f"Cart {cart_id} was merged into {into}", cart_id=cart_id, merged_into=into)


class CartFull(Refusal):
    """A cart holds a bounded number of different titles."""

    code = "cart_full"

    def __init__(self, cart_id: str, lines_max: int) -> None:
        super().__init__(
            f"Cart {cart_id} already holds {lines_max} titles", cart_id=cart_id, lines_max=lines_max
        )


class QuantityTooLarge(Refusal):
    """More copies of one title than one order takes."""

    code = "quantity_too_large"

    def __init__(self, isbn: str, quantity: int, quantity_max: int) -> None:
        super().__init__(
            f"{quantity} copies of {isbn} are more than the {quantity_max} one cart takes",
            isbn=isbn,
            quantity=quantity,
            quantity_max=quantity_max,
        )


class PriceChanged(Refusal):
    """The total rose since the lines were put in the cart; agree to it with `expected_total`."""

    code = "price_changed"

    def __init__(self, expected: int, total: int, currency: str, titles: Iterable[dict[str, Any]]) -> None:
        super().__init__(
            f"The total is now {total} {currency} (minor units), not {expected}: send expected_total to agree",
            expected_total={"amount": expected, "currency": currency},
            total={"amount": total, "currency": currency},
            titles=list(titles),
        )


class NotForSale(Refusal):
    """The title is unknown or not sold."""

    code = "not_for_sale"

    def __init__(self, isbn: str) -> None:
        super().__init__(f"Book {isbn} is not for sale", isbn=isbn)


class CurrencyMismatch(Refusal):
    """One cart is paid in one currency."""

    code = "currency_mismatch"

    def __init__(self, isbn: str, currency: str, cart_currency: str) -> None:
        super().__init__(
            f"Book {isbn} is sold in {currency}, the cart in {cart_currency}",
            isbn=isbn,
            currency=currency,
            cart_currency=cart_currency,
        )


class StockReserved(Refusal):
    """Copies on hand cannot fall below those already promised to orders."""

    code = "stock_reserved"

    def __init__(self, isbn: str, on_hand: int, reserved: int) -> None:
        super().__init__(
            f"{reserved} copies of {isbn} are reserved, so {on_hand} on hand are too few",
            isbn=isbn,
            on_hand=on_hand,
            reserved=reserved,
        )


class BookUnknown(Refusal):
    """There is no such book in the catalogue."""

    code = "book_unknown"

    def __init__(self, isbn: str) -> None:
        super().__init__(f"Book {isbn} is not in the catalogue", isbn=isbn)


class CannotCancel(Refusal):
    """The order has gone too far to be cancelled."""

    code = "cannot_cancel"

    def __init__(self, order_id: str, status: str) -> None:
        super().__init__(
            f"Order {order_id} is {status} and cannot be cancelled", order_id=order_id, status=status
        )


class MoveNotAllowed(Refusal):
    """The order's table of moves does not allow this one from where it stands."""

    code = "move_not_allowed"

    def __init__(self, kind: str, key: str, status: str, target: str) -> None:
        super().__init__(
            f"{kind} {key} is {status} and cannot become {target}",
            kind=kind,
            id=key,
            status=status,
            target=target,
        )


class NotPermitted(Refusal):
    """The sender may not do this to this actor (checked again by the worker)."""

    code = "not_permitted"

    def __init__(self, sender: str, kind: str, key: str) -> None:
        super().__init__(f"{sender} may not change {kind} {key}", kind=kind, id=key)


class UnknownActor(Refusal):
    """The command names something that does not exist."""

    code = "not_found"

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"There is no {kind} {key}", kind=kind, id=key)


class Superseded(Refusal):
    """A replayed message meets an actor that has moved on since."""

    code = "superseded"

    def __init__(self, kind: str, key: str, rev: int) -> None:
        super().__init__(f"{kind} {key} has moved on to revision {rev} since", kind=kind, id=key, rev=rev)


class IdempotencyKeyReused(Refusal):
    """The same Idempotency-Key came with another request before."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used before for another request: use a new key")


REFUSALS: tuple[type[Refusal], ...] = (
    OutOfStock,
    CartEmpty,
    CartMerged,
    CartFull,
    QuantityTooLarge,
    PriceChanged,
    NotForSale,
    CurrencyMismatch,
    StockReserved,
    BookUnknown,
    CannotCancel,
    MoveNotAllowed,
    NotPermitted,
    UnknownActor,
    Superseded,
    IdempotencyKeyReused,
)

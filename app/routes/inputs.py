"""What senders say, and the checks that a type alone cannot make."""

import unicodedata
from functools import cache, lru_cache
from typing import Annotated

import msgspec
import pycountry
from msgspec import Meta

from app.problems import Problem, invalid
from app.reads.money import Money
from broker.messages import PostalAddress
from documents.accounts import InvalidField, display_email
from documents.carts import QUANTITY_MAX
from documents.catalog import InvalidISBN, isbn13
from documents.terms import Terms

Quantity = Annotated[int, Meta(ge=1, le=QUANTITY_MAX, description="Copies, 1 to 999")]
Isbn = Annotated[str, Meta(max_length=40, description="ISBN-13 or ISBN-10, hyphens anywhere")]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
CartId = Annotated[str, Meta(min_length=1, max_length=64)]


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body. A field that nobody knows is an error: it may be one that was meant otherwise."""


class NewItem(Input, frozen=True, kw_only=True):
    """Copies of a title, on top of those that are in the cart."""

    isbn: Isbn
    quantity: Quantity


class NewQuantity(Input, frozen=True, kw_only=True):
    """How many copies the line shall hold."""

    quantity: Quantity


class Merge(Input, frozen=True, kw_only=True):
    """The guest's cart to take in, and its token."""

    cart_id: CartId
    token: Annotated[str, Meta(min_length=1, max_length=64)]


class AddressInput(Input, frozen=True, kw_only=True):
    """Where to send it; `country` is ISO 3166-1 alpha-2."""

    name: Name
    line1: Name
    line2: Annotated[str, Meta(max_length=200)] | None = None
    city: Name
    postal_code: Annotated[str, Meta(min_length=1, max_length=20, pattern=r"\S")]
    country: Annotated[str, Meta(pattern="^[A-Za-z]{2}$")]


class PaymentInput(Input, frozen=True, kw_only=True):
    """How it is paid: a token of the payment gateway. No card numbers come here."""

    token: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]

    def __repr__(self) -> str:
        """Its name alone: a token pays."""
        return "PaymentInput(...)"


class NewOrder(Input, frozen=True, kw_only=True):
    """Turn a cart into an order. `expected_total` agrees to a total that rose; a guest gives an email."""

    cart_id: CartId
    email: Annotated[str, Meta(max_length=254)] | None = None
    shipping_address: AddressInput
    shipping_method: Annotated[str, Meta(max_length=32)]
    payment: PaymentInput
    expected_total: Money | None = None


class Cancellation(Input, frozen=True, kw_only=True):
    """Why the order is cancelled; for the shopper's and the shop's eyes."""

    reason: Annotated[str, Meta(max_length=200)] | None = None


class NewShipment(Input, frozen=True, kw_only=True):
    """Who carries the parcel."""

    carrier: Name
    tracking_number: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]


def isbn_of(text: str) -> str:
    """The ISBN-13 of whatever form it was written in. Raises 422 `bad_isbn`."""
    try:
        return _isbn13(text)
    except InvalidISBN as error:
        raise Problem(422, "bad_isbn", str(error), isbn=text[:40]) from error


@lru_cache(maxsize=4096)
def _isbn13(text: str) -> str:
    """Shops ask for the same titles again and again, and the arithmetic is a tenth of a request."""
    return isbn13(text)


def address_of(given: AddressInput) -> PostalAddress:
    """The address as it is kept: trimmed, in one Unicode form, with a country that there is. Raises 422."""
    country = given.country.upper()
    if country not in countries():
        raise invalid(shipping_address__country=f"{country} is not an ISO 3166-1 alpha-2 code")
    return PostalAddress(
        name=_line("name", given.name),
        line1=_line("line1", given.line1),
        line2=_line("line2", given.line2) if given.line2 and given.line2.strip() else None,
        city=_line("city", given.city),
        postal_code=_line("postal_code", given.postal_code),
        country=country,
    )


@cache
def countries() -> frozenset[str]:
    """The alpha-2 codes of ISO 3166-1."""
    return frozenset(country.alpha_2 for country in pycountry.countries)


def _line(field: str, text: str) -> str:
    line = unicodedata.normalize("NFC", text).strip()
    # A line break in an address is a second line in a mail's header or on a label.
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in line):
        raise invalid(**{f"shipping_address__{field}": "holds control characters or line breaks"})
    return line


def email_of(text: str) -> str:
    """The address as it is written to. Raises 422 `invalid_input`."""
    try:
        return display_email(text)
    except InvalidField as error:
        raise invalid(email=error.reason) from error


def method_of(text: str, terms: Terms) -> str:
    """A way to send an order that the shop has. Raises 422."""
    known = [method.id for method in terms.shipping_methods]
    if text not in known:
        raise invalid(shipping_method=f"is none of {', '.join(known)}")
    return text


def expected_of(total: Money | None, terms: Terms) -> int | None:
    """The total that the sender agrees to, in minor units of the shop's currency. Raises 422 for another currency."""
    if total is None:
        return None
    if total.currency != terms.currency:
        raise invalid(expected_total__currency=f"the shop sells in {terms.currency}")
    if total.amount < 0:
        raise invalid(expected_total__amount="is below zero")
    return total.amount

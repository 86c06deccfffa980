"""Commands to carts. An order is placed in its cart's mailbox, so that what was put in before is in it."""

from typing import Annotated, Any, ClassVar

import msgspec

from broker.messages.base import Command

Copies = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]  # what one line takes is the cart's to say
MinorUnits = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class CartCommand(Command, frozen=True, kw_only=True):
    """A command to one cart."""

    group: ClassVar[str] = "carts"

    cart_id: str

    @property
    def key(self) -> str:
        """The cart."""
        return self.cart_id


class AddItem(CartCommand, frozen=True, kw_only=True):
    """Put copies of a title in, on top of those that are there. `isbn` is an ISBN-13 without hyphens."""

    isbn: str
    quantity: Copies


class SetItem(CartCommand, frozen=True, kw_only=True):
    """Make the line hold exactly that many copies."""

    isbn: str
    quantity: Copies


class RemoveItem(CartCommand, frozen=True, kw_only=True):
    """Take a line out; an absent one succeeds."""

    isbn: str


class ClearCart(CartCommand, frozen=True, kw_only=True):
    """Take every line out."""


class MergeCart(CartCommand, frozen=True, kw_only=True):
    """Close this cart and hand its lines to `into`: the first step of a merge."""

    into: str


class HandedLine(msgspec.Struct, frozen=True):
    """A line on its way from one cart to another; `unit_price` in minor units."""

    isbn: str
    title: str
    quantity: Copies
    unit_price: MinorUnits


class AbsorbCart(CartCommand, frozen=True, kw_only=True):
    """Take in the lines of a cart that was closed for it: the second step of a merge, its last where it succeeds."""

    source: str
    currency: str | None
    lines: tuple[HandedLine, ...]


class WhyNot(msgspec.Struct, frozen=True):
    """A rule's no on its way to the step that tells it."""

    code: str
    message: str
    details: dict[str, Any]


class ReopenCart(CartCommand, frozen=True, kw_only=True):
    """Open this cart again and take back the lines that `into` would not have: the third step of a refused merge."""

    into: str
    currency: str | None
    lines: tuple[HandedLine, ...]
    why: WhyNot


class PostalAddress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where to send it; `country` is ISO 3166-1 alpha-2."""

    name: str
    line1: str
    line2: str | None = None
    city: str
    postal_code: str
    country: str


class PlaceOrder(CartCommand, frozen=True, kw_only=True):
    """Turn the cart into an order; `order_id` is derived from the command's id, `expected_total` in minor units.

    `guest_token` opens the order for somebody without an account.
    """

    order_id: str
    email: str
    shipping_address: PostalAddress
    shipping_method: str
    payment_token: str
    expected_total: MinorUnits | None = None
    guest_token: str | None = None

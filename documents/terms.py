"""The terms of sale: how books travel, what that costs, and the VAT that prices contain."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class ShippingMethod:
    """A way to send an order; `price` in minor units of the shop's currency, VAT included."""

    id: str
    name: str
    price: int
    days_min: int
    days_max: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What every order of the shop has in common."""

    currency: str = "EUR"
    vat_percent: int = 7
    shipping_methods: tuple[ShippingMethod, ...] = (
        ShippingMethod("standard", "Standard delivery", 390, 2, 4),
        ShippingMethod("express", "Express delivery", 890, 1, 1),
    )

    def shipping(self, method: str) -> ShippingMethod:
        """The method of that id. Raises `KeyError` for an unknown one: the edge has checked it."""
        return {each.id: each for each in self.shipping_methods}[method]

    def included_vat(self, total: int) -> int:
        """The VAT that a price contains, rounded half up to a minor unit."""
        return round_half_up(Fraction(total * self.vat_percent, 100 + self.vat_percent))


def round_half_up(value: Fraction) -> int:
    """The nearest integer, halves away from zero for positive values."""
    return int(value + Fraction(1, 2))

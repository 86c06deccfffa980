"""Amounts as people and feeds write them: "12.99" is 1299 minor units of EUR."""

import re
from decimal import Decimal

# ISO 4217 (list one): the currencies whose minor unit is not a hundredth.
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
DECIMALS = dict.fromkeys(_NO_DECIMALS.split(), 0) | dict.fromkeys(_THREE_DECIMALS.split(), 3)
AMOUNT = re.compile(r"^([+-]?)(\d{1,12})(?:\.(\d+))?$", re.ASCII)
CURRENCY = re.compile(r"^[A-Z]{3}$")
AMOUNT_MAX = 2**31 - 1  # minor units


class BadAmount(ValueError):
    """The text is no price. Says what is wrong with it."""


def currency_code(text: str) -> str:
    """An ISO 4217 code in capitals. Raises `BadAmount`."""
    code = text.strip().upper()
    if not CURRENCY.match(code):
        raise BadAmount(f"{text[:40]!r} is no currency: use an ISO 4217 code such as EUR")
    return code


def minor_units(text: str, currency: str) -> int:
    """A price with a decimal point, in minor units of a currency: exact, never negative. Raises `BadAmount`."""
    shown = text[:40]
    amount = AMOUNT.match(text.strip())
    if amount is None:
        raise BadAmount(f"{shown!r} is no price: write it as 12.99")
    sign, _, fraction = amount.groups()
    decimals = DECIMALS.get(currency, 2)
    if len((fraction or "").rstrip("0")) > decimals:
        raise BadAmount(f"{shown!r} has more decimals than the {decimals} of {currency}")
    units = int(Decimal(text.strip()).scaleb(decimals))
    if sign == "-" and units:
        raise BadAmount(f"{shown!r} is negative")
    if units > AMOUNT_MAX:
        raise BadAmount(f"{shown!r} is more than one book costs")
    return units

"""Amounts for people: minor units and an ISO 4217 code."""

# The digits after the decimal sign where they are not two (ISO 4217, list one).
DIGITS: dict[str, int] = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def amount_text(amount: int, currency: str) -> str:
    """An amount in minor units as people write it: 129900 EUR is "1,299.00 EUR", 1500 JPY "1,500 JPY"."""
    digits = DIGITS.get(currency, 2)
    whole, part = divmod(abs(amount), 10**digits)
    decimals = f".{part:0{digits}d}" if digits else ""
    return f"{'-' if amount < 0 else ''}{whole:,}{decimals} {currency}"

"""ISBNs from feeds that went through a spreadsheet: leading zeros lost, thirteen digits turned into a float."""

import re

from documents.catalog import InvalidISBN, isbn13

ISBN10_LENGTH = 10
DIGITS_LOST_MAX = 4  # more zeros than the language and publisher groups begin with are no longer an accident
FLOAT = re.compile(r"^(\d)\.?(\d*)e\+?(\d{1,2})$", re.IGNORECASE | re.ASCII)
WHOLE = re.compile(r"^(\d{13})(?:\.0*)?$", re.ASCII)


def recover(short: str, long: str) -> str:
    """The ISBN-13 of a row's two columns. Raises `InvalidISBN`, whose reason says what was tried.

    The ISBN-10 comes first, filled up with the zeros that it lost, because its check digit proves it. The other column
    counts only where all of its digits are there: a float such as 9.78043902348e+12 has lost the last one.
    """
    short, long = short.strip(), long.strip()
    tried: list[str] = []
    if short:
        try:
            return isbn13(_filled(short))
        except InvalidISBN as error:
            tried.append(f"{short}: {error.reason}")
    if long:
        digits = whole_digits(long)
        if digits is None:
            tried.append(f"{long}: its digits are not all there")
        else:
            try:
                return isbn13(digits)
            except InvalidISBN as error:
                tried.append(f"{long}: {error.reason}")
    reason = "; ".join(tried) if tried else "there is none"
    raise InvalidISBN(short or long, reason)


def whole_digits(text: str) -> str | None:
    """What may be an ISBN-13, or None for a number that has lost digits on its way through a float."""
    whole = WHOLE.match(text)
    if whole:
        return whole[1]
    exponent = FLOAT.match(text)
    if exponent:
        digits = exponent[1] + exponent[2]
        return digits if len(digits) == int(exponent[3]) + 1 else None
    return None if re.fullmatch(r"[\d.]+", text) else text


def _filled(text: str) -> str:
    if (
        re.fullmatch(r"\d+[\dXx]", text, re.ASCII)
        and ISBN10_LENGTH - DIGITS_LOST_MAX <= len(text) < ISBN10_LENGTH
    ):
        return text.zfill(ISBN10_LENGTH)
    return text

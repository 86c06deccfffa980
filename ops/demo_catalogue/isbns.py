"""ISBN-13s for books that no agency has numbered (docs/decisions/0005-demo-isbn-range.md)."""

from __future__ import annotations

from hashlib import sha256

from stdnum import ean

DEMO_PREFIX = "97869"
"""The far end of 978-66 to 978-69, which has been given to no registration group."""


def demo_isbn(*parts: str) -> str:
    """The ISBN-13 of the edition that `parts` describe (language, title, author, format).

    The same parts give the same number for ever, whatever else joins the catalogue: seven digits of a
    hash, then the check digit. Two editions could meet in one number (1 in 10 million for a pair); a test
    holds the catalogue to uniqueness.
    """
    digest = sha256("\x1f".join(parts).encode()).digest()
    serial = int.from_bytes(digest[:8], "big") % 10**7
    body = f"{DEMO_PREFIX}{serial:07d}"
    return body + ean.calc_check_digit(body)

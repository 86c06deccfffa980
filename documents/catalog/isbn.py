"""One key for a title: its ISBN-13 without hyphens, from whatever form it was written in."""

import re

from stdnum import isbn
from stdnum.exceptions import InvalidChecksum, InvalidComponent, InvalidLength, ValidationError
from stdnum.util import clean

PREFIX = re.compile(r"^(?:urn:)?isbn(?:-?1[03])?[:\s]*", re.IGNORECASE)
MUSIC = "9790"  # ISMN: printed music, which is no book
SHOWN_MAX = 40


class InvalidISBN(ValueError):
    """The text is no ISBN. `text` is what was given, `reason` why it is none."""

    def __init__(self, text: str, reason: str) -> None:
        shown = text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…"
        super().__init__(f"{shown!r} is not an ISBN: {reason}")
        self.text = text
        self.reason = reason


def isbn13(text: str) -> str:
    """The 13 digits of an ISBN-10 or ISBN-13: hyphens, spaces, a leading "ISBN" and a small x are all fine.

    Raises `InvalidISBN` with the reason.
    """
    number = clean(PREFIX.sub("", text.strip()), " -").upper()
    if len(number) not in (10, 13):
        raise InvalidISBN(text, f"it has {len(number)} digits, not 10 or 13")
    try:
        found = str(isbn.validate(number, convert=True))
    except InvalidChecksum as error:
        raise InvalidISBN(text, "its check digit is wrong") from error
    except InvalidComponent as error:
        raise InvalidISBN(text, "it begins with neither 978 nor 979") from error
    except InvalidLength as error:
        raise InvalidISBN(text, "it has not 10 or 13 digits") from error
    except ValidationError as error:
        raise InvalidISBN(text, "it has other characters than digits") from error
    if found.startswith(MUSIC):
        raise InvalidISBN(text, "979-0 stands for printed music (ISMN)")
    return found

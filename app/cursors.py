"""Cursors of lists that are sorted by time, newest first: where the last page ended."""

import base64
import binascii
from datetime import datetime

import msgspec

from app.problems import Problem

CURSOR_CHARS_MAX = 200


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last item of a page."""

    at: datetime
    id: str


def page_after(at: datetime, name: str) -> str:
    """The cursor of the page after this item."""
    raw = msgspec.msgpack.encode(Cursor(at, name))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def cursor_of(text: str | None) -> Cursor | None:
    """Where a page begins; None for the first. Raises 400 `bad_cursor` for one that no page gave."""
    if text is None:
        return None
    try:
        if len(text) > CURSOR_CHARS_MAX:
            raise ValueError(f"it has {len(text)} characters")
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(raw, type=Cursor)
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise Problem(
            400, "bad_cursor", "This is no cursor of this list: pass next_cursor on as it is"
        ) from error

"""Cursors of lists that are sorted by time, newest first: where the last page ended, and of which list it was one."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from app.problems import Problem

CURSOR_CHARS_MAX = 200


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last item of a page; `mark` tells the list that it belongs to from others."""

    at: datetime
    id: str
    mark: bytes


def page_after(at: datetime, name: str, filters: Mapping[str, Any]) -> str:
    """The cursor of the page after this item, in the list of these filters."""
    raw = msgspec.msgpack.encode(Cursor(at, name, _mark(filters)))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def cursor_of(text: str | None, filters: Mapping[str, Any]) -> Cursor | None:
    """Where a page begins; None for the first. Raises 400 `bad_cursor` for one that no page of this list gave."""
    if text is None:
        return None
    try:
        if len(text) > CURSOR_CHARS_MAX:
            raise ValueError(f"it has {len(text)} characters")
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(raw, type=Cursor)
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise _bad_cursor() from error
    if cursor.mark != _mark(filters):
        raise _bad_cursor()
    return cursor


def _bad_cursor() -> Problem:
    return Problem(400, "bad_cursor", "This is no cursor of this list: pass next_cursor on as it is")


def _mark(filters: Mapping[str, Any]) -> bytes:
    return blake2b(msgspec.json.encode(sorted(filters.items())), digest_size=6).digest()

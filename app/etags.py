"""Validators: an answer that its reader already has is a 304 (RFC 9110, section 13)."""

from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response

T = TypeVar("T")

ENCODER = msgspec.json.Encoder()
PRIVATE = "private, no-cache"  # may be kept by its reader, who asks again each time


def etag_of(view: Any) -> str:
    """A strong validator of what is shown."""
    return f'"{blake2b(ENCODER.encode(view), digest_size=9).hexdigest()}"'


def validated(request: Request[Any, Any, Any], view: T, *, cache_control: str = PRIVATE) -> Response[T]:
    """The view with its ETag, or a 304 where `If-None-Match` names it."""
    etag = etag_of(view)
    headers = {"ETag": etag, "Cache-Control": cache_control, "Vary": "Authorization, Cart-Token, Order-Token"}
    if matches(request.headers.getall("if-none-match", []), etag):
        unchanged: Response[Any] = Response(None, status_code=304, headers=headers)
        return unchanged
    return Response(view, headers=headers)


def matches(headers: list[str], etag: str) -> bool:
    """Whether If-None-Match names the validator, by weak comparison (RFC 9110, section 13.1.2)."""
    named = {word.strip().removeprefix("W/") for header in headers for word in header.split(",")}
    return "*" in named or etag.removeprefix("W/") in named

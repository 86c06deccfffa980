"""Ids and tokens that are signed rather than stored: carts, orders and operations.

    guest's cart   g + base32(10 random bytes + 5 of MAC)      a made-up one is a 404, and nothing was written
    Cart-Token     base64url(HMAC of the cart's id)
    order          o + base32(15 bytes, hash of the PlaceOrder's message id)
    Order-Token    base64url(HMAC of the order's id)
    operation      base64url(MessagePack of what it is about + 16 of MAC)

A token opens one thing, for whoever holds it. The previous signing keys stay valid.
"""

import base64
import binascii
import secrets
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import msgspec

from app.problems import Problem
from app.security.keys import MAC_BYTES, Keyring
from documents.operations import RECEIPT_LIFETIME

GUEST_PREFIX: Final = "g"
USER_PREFIX: Final = "u"
ORDER_PREFIX: Final = "o"
RANDOM_BYTES = 10
TAG_BYTES = 5  # tells ours from made-up ones; the token is what opens a cart
ORDER_BYTES = 15
ID_CHARS = 1 + 24
OPERATION_CHARS_MAX = 1024
EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)


class Operation(msgspec.Struct, frozen=True, array_like=True):
    """What an operation's id carries, so that a pending one needs no storage.

    `fingerprint` is of the request (16 bytes, hex), `day` counts from 2020-01-01 UTC: the same key and the same request
    give the same id all day long, and after that the receipt names the day.
    """

    group: str
    message_id: str
    fingerprint: str
    sender: str
    resource: str
    day: int

    @property
    def issued_at(self) -> datetime:
        """The beginning of the day on which it was accepted."""
        return EPOCH + timedelta(days=self.day)


def new_cart_id(keyring: Keyring) -> str:
    """An id for a guest's cart, signed."""
    body = secrets.token_bytes(RANDOM_BYTES)
    return GUEST_PREFIX + _base32(body + keyring.sign("cart id", body, size=TAG_BYTES))


@lru_cache(maxsize=4096)  # a shopper's commands name one cart; what is kept is of ids, and tells of no secret
def is_guest_cart(keyring: Keyring, cart_id: str) -> bool:
    """Whether we gave this id to a guest."""
    raw = _unbase32(cart_id, GUEST_PREFIX)
    return raw is not None and keyring.verify("cart id", raw[:RANDOM_BYTES], raw[RANDOM_BYTES:])


def is_user_cart(cart_id: str) -> bool:
    """Whether the id has the shape of a shopper's own cart; whose it is, `documents.accounts.cart_of` says."""
    return cart_id.startswith(USER_PREFIX) and len(cart_id) > 1


def cart_token(keyring: Keyring, cart_id: str) -> str:
    """What opens a guest's cart."""
    return _text(keyring.sign("cart token", cart_id.encode()))


def opens_cart(keyring: Keyring, cart_id: str, token: str) -> bool:
    """Whether the token is this guest's cart's."""
    return _verify(keyring, "cart token", cart_id, token)


def order_id_of(message_id: str) -> str:
    """The order that a PlaceOrder of this message id makes: the same however often it is sent, with any key."""
    return ORDER_PREFIX + _base32(
        blake2b(message_id.encode(), digest_size=ORDER_BYTES, person=b"quire-order").digest()
    )


def is_order_id(order_id: str) -> bool:
    """Whether the id has an order's shape; whether there is one, the database says."""
    return _unbase32(order_id, ORDER_PREFIX) is not None


def order_token(keyring: Keyring, order_id: str) -> str:
    """What opens a guest's order."""
    return _text(keyring.sign("order token", order_id.encode()))


def opens_order(keyring: Keyring, order_id: str, token: str) -> bool:
    """Whether the token is this order's."""
    return _verify(keyring, "order token", order_id, token)


def operation_of(
    group: str, message_id: str, fingerprint: str, sender: str, resource: str, accepted_at: datetime
) -> Operation:
    """What an operation's id says of a command that was accepted at that moment."""
    return Operation(group, message_id, fingerprint, sender, resource, (accepted_at - EPOCH).days)


def operation_id(keyring: Keyring, operation: Operation) -> str:
    """The signed id of an operation."""
    body = msgspec.msgpack.encode(operation)
    return _text(keyring.sign("operation", body) + body)


def read_operation_id(keyring: Keyring, text: str, now: datetime) -> Operation:
    """What an operation's id says. Raises a 404 for one that is not ours, a 410 for one older than 30 days."""
    raw = _bytes(text) if len(text) <= OPERATION_CHARS_MAX else None
    if (
        raw is None
        or not keyring.verify("operation", raw[MAC_BYTES:], raw[:MAC_BYTES])
        or len(raw) <= MAC_BYTES
    ):
        raise no_operation()
    operation = msgspec.msgpack.decode(raw[MAC_BYTES:], type=Operation)
    # It was accepted at some moment of that day: the day itself does not count.
    if now - operation.issued_at > RECEIPT_LIFETIME + timedelta(days=1):
        raise Problem(410, "operation_expired", f"Operations are kept {RECEIPT_LIFETIME.days} days")
    return operation


def no_operation() -> Problem:
    """The answer to an operation that is not there, or not the asker's: both look alike."""
    return Problem(404, "not_found", "There is no such operation")


def _verify(keyring: Keyring, purpose: str, name: str, token: str) -> bool:
    mac = _bytes(token) if len(token) <= 64 else None
    # As long as a signed one: a shorter MAC is easier to guess.
    return mac is not None and len(mac) == MAC_BYTES and keyring.verify(purpose, name.encode(), mac)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return raw if _text(raw) == text else None  # one spelling only


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().lower()


def _unbase32(text: str, prefix: str) -> bytes | None:
    if len(text) != ID_CHARS or not text.startswith(prefix) or text != text.lower():
        return None
    try:
        return base64.b32decode(text[1:].upper().encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        return None

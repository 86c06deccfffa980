"""The keys that ids, tokens and sessions are signed with. They persist, and the previous ones stay valid.

One secret serves many purposes: each has a key of its own, derived with HKDF (RFC 5869), so that a token of one kind
is never one of another.
"""

import hmac
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES = 32
SECRET_LENGTH_MIN = 32  # characters of a configured secret
MAC_BYTES = 16
FILE_NAME = "signing.keys"


class BadKey(ValueError):
    """A secret that cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Key:
    """One secret; `id` names it in a token's header and tells nothing of it."""

    id: str
    secret: bytes

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """The key of a secret; its id is a hash, so that every process names it alike."""
        return cls(blake2b(secret, digest_size=6, person=b"quire-key-id").hexdigest(), secret)

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose."""
        return _derive(self.secret, purpose)


@lru_cache(maxsize=256)
def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), length=SECRET_BYTES, salt=b"quire", info=purpose.encode()).derive(secret)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key that signs, and those before it that are still believed."""

    current: Key
    previous: tuple[Key, ...] = ()

    @property
    def all(self) -> tuple[Key, ...]:
        """Every key that is believed, the signing one first."""
        return (self.current, *self.previous)

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, of the current key."""
        return self.current.derive(purpose)

    def sign(self, purpose: str, data: bytes, *, size: int = MAC_BYTES) -> bytes:
        """An HMAC-SHA256 of `size` bytes (at most 32) that `verify` believes for this purpose alone."""
        return _mac(self.current, purpose, data, size)

    def verify(self, purpose: str, data: bytes, mac: bytes) -> bool:
        """Whether one of the keys made this MAC for this purpose. Never shorter than what `sign` gives: see callers."""
        if not mac:
            return False
        return any(hmac.compare_digest(_mac(key, purpose, data, len(mac)), mac) for key in self.all)

    @classmethod
    def from_secrets(cls, text: str) -> Self:
        """The keys of a setting: the current secret, then previous ones, separated by commas.

        Raises `BadKey` for none, or for one that is shorter than 32 characters.
        """
        words = [word.strip() for word in text.split(",") if word.strip()]
        if not words:
            raise BadKey("there is no signing secret: give at least one of 32 characters or more")
        for place, word in enumerate(words, 1):
            if len(word) < SECRET_LENGTH_MIN:
                raise BadKey(
                    f"signing secret {place} has {len(word)} characters: it needs {SECRET_LENGTH_MIN}"
                )
        return cls._of([word.encode() for word in words])

    @classmethod
    def from_folder(cls, path: Path) -> Self:
        """The keys of a data folder (`signing.keys`, mode 0600, one secret a line, the current first).

        A folder without any gets a random one, kept from then on. Raises `BadKey` for a file that others may
        read or that holds no secret, and OSError where the folder cannot be written.
        """
        file = path / FILE_NAME
        path.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _create(file)
        if file.stat().st_mode & 0o077:
            raise BadKey(f"{file} can be read by others: run chmod 600 on it")
        lines = [line.strip() for line in file.read_text("ascii").splitlines() if line.strip()]
        if not lines:
            raise BadKey(f"{file} holds no key: restore it, or remove it to start with a new one")
        return cls._of([line.encode() for line in lines])

    @classmethod
    def generate(cls) -> Self:
        """A keyring with one random key."""
        return cls(Key.of(secrets.token_bytes(SECRET_BYTES)))

    @classmethod
    def _of(cls, words: Sequence[bytes]) -> Self:
        current, *previous = [Key.of(word) for word in words]
        return cls(current, tuple(previous))


def _mac(key: Key, purpose: str, data: bytes, size: int) -> bytes:
    return hmac.digest(key.derive(purpose), data, sha256)[:size]


def _create(file: Path) -> None:
    """Writes a key where there is none, whole or not at all; where two processes try, the first one's stays."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            return  # another process was first: its key is the folder's
    finally:
        draft.unlink()

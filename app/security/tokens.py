"""Tokens: short signed access tokens (JWT, RFC 7519 and 9068) and refresh tokens that name their generation.

An access token says who, which roles and which sign-in, for 15 minutes, and needs no look-up. A refresh token
is `<handle>.<generation>.<mac>`: the database knows only a hash of the handle, and the MAC makes every old
generation recognisable as genuine, so that a stolen one that is used again is told apart from a made-up one.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import OctKey
from joserfc.jwt import JWTClaimsRegistry

from app.security.keys import Keyring
from documents.accounts import Role

ISSUER = "quire"
AUDIENCE = "quire"
ALGORITHM = "HS256"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068's media type: never mistaken for another JWT of ours
ACCESS_LIFETIME_S = 15 * 60
TOKEN_LENGTH_MAX = 2048
HANDLE_BYTES = 24
REFRESH_PURPOSE = "refresh-token"
REFRESH_MAC_BYTES = 32


class BadToken(Exception):
    """The text is no token of ours, or was changed."""


class TokenExpired(Exception):
    """It was good, and is no longer."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says: `session` is the id of the sign-in's refresh family."""

    user_id: str
    roles: tuple[str, ...]
    session: str | None


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a genuine refresh token says: the family's secret handle and the token's place in it."""

    handle: str
    generation: int

    @property
    def family(self) -> str:
        """The id of the family's document."""
        return family_of(self.handle)


class Tokens:
    """Issues and reads tokens with the keyring's keys; the previous keys' tokens stay good. `clock` is Unix
    seconds.
    """

    def __init__(self, keyring: Keyring, clock: Callable[[], float] = time.time) -> None:
        self._keyring = keyring
        self._clock = clock
        self._keys = {key.id: OctKey.import_key(key.derive("access-token")) for key in keyring.all}

    def issue_access(self, user_id: str, roles: tuple[str, ...], session: str) -> str:
        """A token that is good for `ACCESS_LIFETIME_S` from now."""
        now = int(self._clock())
        kid = self._keyring.current.id
        header = {"alg": ALGORITHM, "kid": kid, "typ": TOKEN_TYPE}
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "roles": list(roles),
            "sid": session,
            "iat": now,
            "exp": now + ACCESS_LIFETIME_S,
        }
        return jwt.encode(header, claims, self._keys[kid], algorithms=[ALGORITHM])

    def read_access(self, text: str) -> AccessClaims:
        """What the token says. Raises `BadToken` or, for a genuine one that is too old, `TokenExpired`."""
        if len(text) > TOKEN_LENGTH_MAX:
            raise BadToken("the token is too long")
        try:
            token = jwt.decode(text, self._key_for, algorithms=[ALGORITHM])
            if token.header.get("typ") != TOKEN_TYPE:
                raise BadToken("the token is of another type")
            self._checks().validate(token.claims)
        except ExpiredTokenError as error:
            raise TokenExpired("the token has expired") from error
        except (JoseError, ValueError) as error:
            raise BadToken(f"the token is not good: {error}") from error
        return _claims(token.claims)

    def new_handle(self) -> str:
        """The secret of a new family of refresh tokens."""
        return secrets.token_urlsafe(HANDLE_BYTES)

    def issue_refresh(self, handle: str, generation: int) -> str:
        """The family's token of that generation."""
        mac = self._keyring.sign(REFRESH_PURPOSE, _signed(handle, generation), size=REFRESH_MAC_BYTES)
        return f"{handle}.{generation}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    def read_refresh(self, text: str) -> RefreshClaims:
        """What the token says. Raises `BadToken`; whether it is still the newest is for the database to say."""
        parts = text.split(".")
        if len(text) > TOKEN_LENGTH_MAX or len(parts) != 3 or not text.isascii():
            raise BadToken("the refresh token is malformed")
        handle, generation, mac = parts
        if not (generation.isdecimal() and len(generation) <= 9 and handle):
            raise BadToken("the refresh token is malformed")
        try:
            found = base64.b64decode(mac + "=" * (-len(mac) % 4), altchars=b"-_", validate=True)
        except binascii.Error as error:
            raise BadToken("the refresh token is malformed") from error
        claims = RefreshClaims(handle, int(generation))
        signed = _signed(claims.handle, claims.generation)
        # `verify` compares as many bytes as it is given, so a short MAC must not get that far.
        if len(found) != REFRESH_MAC_BYTES or not self._keyring.verify(REFRESH_PURPOSE, signed, found):
            raise BadToken("the refresh token was not issued here, or was changed")
        return claims

    def _key_for(self, token: Any) -> OctKey:
        key = self._keys.get(str(token.headers().get("kid")))
        if key is None:
            raise BadToken("the token was signed with a key that is not known here")
        return key

    def _checks(self) -> JWTClaimsRegistry:
        return JWTClaimsRegistry(
            now=int(self._clock()),
            leeway=1,  # seconds: two edges' clocks need not tick together
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            exp={"essential": True},
        )


def family_of(handle: str) -> str:
    """The id under which a family is stored: a hash, so that the database's reader cannot refresh."""
    return hashlib.sha256(handle.encode()).hexdigest()[:40]


def same_secret(given: str, expected: str) -> bool:
    """Compares in constant time; any text may be given, also one that is not ASCII."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def _signed(handle: str, generation: int) -> bytes:
    return f"{handle}.{generation}".encode()


def _claims(claims: dict[str, Any]) -> AccessClaims:
    roles, session = claims.get("roles"), claims.get("sid")
    if not isinstance(roles, list) or not all(isinstance(role, str) and role in set(Role) for role in roles):
        raise BadToken("the token names no roles that are known here")
    if session is not None and not isinstance(session, str):
        raise BadToken("the token names no sign-in")
    return AccessClaims(claims["sub"], tuple(roles), session)

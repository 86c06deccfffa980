"""Access and refresh tokens: who can make one, who can change one, and when one ends."""

import base64
import json
import string
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from app.security.keys import Key, Keyring
from app.security.tokens import ACCESS_LIFETIME_S, AccessClaims, BadToken, TokenExpired, Tokens, same_secret

KEYRING = Keyring.generate()
TOKENS = Tokens(KEYRING)
TOKEN = TOKENS.issue_access("ada", ("shopper",), "session")
REFRESH = TOKENS.issue_refresh("handle", 7)
CLAIMS = {"iss": "quire", "aud": "quire", "sub": "ada", "roles": ["shopper"], "sid": "s"}
URL_SAFE = string.ascii_letters + string.digits + "-_."


def forged(header: dict[str, object] | None = None, key: bytes | None = None, **claims: object) -> str:
    """A token signed with our key unless told otherwise, with other claims and header fields."""
    current = KEYRING.current
    secret = OctKey.import_key(key or current.derive("access-token"))
    fields = {"alg": "HS256", "kid": current.id, "typ": "at+jwt"} | (header or {})
    body = CLAIMS | {"exp": int(time.time()) + 86_400} | claims
    return jwt.encode(fields, {name: value for name, value in body.items() if value is not ...}, secret)


def part(value: object) -> str:
    """One part of a compact token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_says_who_and_what() -> None:
    """User, roles and session come back as they went in."""
    assert TOKENS.read_access(TOKEN) == AccessClaims("ada", ("shopper",), "session")
    assert TOKENS.read_access(forged()) == AccessClaims("ada", ("shopper",), "s")


@given(st.text())
@example("")
@example("..")
@example("a.b.c")
@example("e30.e30.")
@example("=.=.=")
@example("\ud800")
@example("x" * 5000)
@example(TOKEN + "=")
@example(TOKEN + ".")
@example(REFRESH)
def test_no_text_is_a_token(text: str) -> None:
    """Whatever is sent, it is `BadToken` and nothing else."""
    with pytest.raises(BadToken):
        TOKENS.read_access(text)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(URL_SAFE))
def test_no_character_of_a_token_can_be_changed(place: int, character: str) -> None:
    """Every single change is found, or decodes to the very same bytes."""
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    try:
        assert TOKENS.read_access(changed) == TOKENS.read_access(TOKEN)
    except BadToken:
        return
    assert raw(changed) == raw(TOKEN)


def raw(token: str) -> list[bytes]:
    """The bytes of a token's parts: the last character of base64 holds bits that nobody reads."""
    return [base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)) for each in token.split(".")]


@pytest.mark.parametrize(
    "token",
    [
        forged(iss="another"),
        forged(aud="another"),
        forged(sub=...),
        forged(sub=""),
        forged(sub=7),
        forged(exp=...),
        forged(exp="tomorrow"),
        forged(roles=...),
        forged(roles=["king"]),
        forged(roles=[{}]),
        forged(roles="staff"),
        forged(sid=7),
        forged(iat=int(time.time()) + 3600),
        forged({"typ": "JWT"}),
        forged({"kid": "unknown"}),
        forged(key=KEYRING.current.secret),
        forged(key=KEYRING.derive("refresh-token")),
        jwt.encode(
            {"alg": "HS512", "kid": KEYRING.current.id, "typ": "at+jwt"},
            dict(CLAIMS),
            OctKey.import_key(KEYRING.derive("access-token")),
            algorithms=["HS512"],
        ),
        f"{part({'alg': 'none', 'kid': KEYRING.current.id, 'typ': 'at+jwt'})}.{part(CLAIMS)}.",
        f"{part({'alg': 'HS256', 'typ': 'at+jwt'})}.{part(CLAIMS)}.AAAA",
        f"{part([])}.{part(CLAIMS)}.AAAA",
    ],
)
def test_a_token_with_other_claims_is_bad(token: str) -> None:
    """Another issuer, audience, type, algorithm, key or role, or a claim that is missing."""
    with pytest.raises(BadToken):
        TOKENS.read_access(token)


def test_a_token_ends_after_its_lifetime() -> None:
    """Good for 15 minutes, then `TokenExpired`; one that was changed is bad, however old."""
    now = [1_000_000.0]
    tokens = Tokens(KEYRING, lambda: now[0])
    token = tokens.issue_access("ada", ("shopper",), "s")
    now[0] += ACCESS_LIFETIME_S - 1
    assert tokens.read_access(token).user_id == "ada"
    now[0] += 3
    with pytest.raises(TokenExpired):
        tokens.read_access(token)
    with pytest.raises(BadToken):
        tokens.read_access(token[:-6] + "AAAAAA")


def test_the_previous_keys_tokens_stay_good() -> None:
    """After a change of keys the old tokens are read, the new ones carry the new key, and strangers' are bad."""
    new = Keyring(Key.of(b"n" * 32), previous=(KEYRING.current,))
    rotated = Tokens(new)
    assert rotated.read_access(TOKEN).user_id == "ada"
    assert rotated.read_refresh(REFRESH).generation == 7
    fresh = rotated.issue_access("ada", ("shopper",), "s")
    with pytest.raises(BadToken):
        TOKENS.read_access(fresh)
    forgotten = Tokens(Keyring(Key.of(b"n" * 32)))
    with pytest.raises(BadToken):
        forgotten.read_access(TOKEN)
    with pytest.raises(BadToken):
        forgotten.read_refresh(REFRESH)


def test_a_refresh_token_names_its_family_and_generation() -> None:
    """The family's id is a hash of the handle, so that it tells nothing of the token."""
    claims = TOKENS.read_refresh(REFRESH)
    assert (claims.handle, claims.generation) == ("handle", 7)
    assert "handle" not in claims.family
    assert TOKENS.new_handle() != TOKENS.new_handle()


@given(st.text())
@example("handle.7.")
@example("handle.7.AA")
@example("handle.8." + REFRESH.rpartition(".")[2])
@example("handles.7." + REFRESH.rpartition(".")[2])
@example("handle.07." + REFRESH.rpartition(".")[2] + "A")
@example("handle.٧." + REFRESH.rpartition(".")[2])
@example("handle.9999999999." + REFRESH.rpartition(".")[2])
@example(".7." + REFRESH.rpartition(".")[2])
@example(TOKEN)
def test_no_text_is_a_refresh_token(text: str) -> None:
    """A shortened, moved or made-up MAC is `BadToken`: a higher generation cannot be guessed from a lower one."""
    with pytest.raises(BadToken):
        TOKENS.read_refresh(text)


@given(st.text(), st.text(alphabet=URL_SAFE))
def test_secrets_are_compared_whatever_they_hold(given_text: str, expected: str) -> None:
    """Any text may come in a header; only the same one is the same."""
    assert same_secret(given_text, expected) is (given_text == expected)

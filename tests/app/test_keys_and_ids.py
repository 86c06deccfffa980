"""Signing keys persist and rotate; ids and tokens are told from made-up ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.prefer import applied, wait_of
from app.problems import Problem
from app.security.capabilities import (
    cart_token,
    is_guest_cart,
    is_order_id,
    new_cart_id,
    opens_cart,
    opens_order,
    operation_id,
    operation_of,
    order_id_of,
    order_token,
    read_operation_id,
)
from app.security.keys import BadKey, Keyring

OLD, NEW, NEWEST = "o" * 32, "n" * 32, "m" * 32
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_folder_keeps_its_key(tmp_path: Path) -> None:
    """A data folder gets a key once, for its owner's eyes only, and keeps it."""
    first = Keyring.from_folder(tmp_path / "data")
    assert Keyring.from_folder(tmp_path / "data").current == first.current
    file = tmp_path / "data" / "signing.keys"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["signing.keys"]


def test_folder_that_others_read(tmp_path: Path) -> None:
    """A key that others may read is refused."""
    Keyring.from_folder(tmp_path)
    (tmp_path / "signing.keys").chmod(0o644)
    with pytest.raises(BadKey, match="chmod 600"):
        Keyring.from_folder(tmp_path)


def test_empty_key_file(tmp_path: Path) -> None:
    """A key file without a key is refused rather than replaced: what it signed would be lost."""
    file = tmp_path / "signing.keys"
    file.touch(mode=0o600)
    with pytest.raises(BadKey, match="holds no key"):
        Keyring.from_folder(tmp_path)


@pytest.mark.parametrize("text", ["", " , ", "short", f"{NEW},short"])
def test_bad_secrets(text: str) -> None:
    """No secret, or one shorter than 32 characters, is refused."""
    with pytest.raises(BadKey):
        Keyring.from_secrets(text)


def test_rotation() -> None:
    """The previous key stays valid and signs no more; one that is gone from the list is believed no longer."""
    before, after, later = (Keyring.from_secrets(text) for text in (OLD, f"{NEW},{OLD}", f"{NEWEST},{NEW}"))
    cart = new_cart_id(before)
    token = cart_token(before, cart)
    assert is_guest_cart(after, cart)
    assert opens_cart(after, cart, token)
    assert cart_token(after, cart) != token
    assert not is_guest_cart(later, cart)
    assert not opens_cart(later, cart, token)


def test_purposes() -> None:
    """A MAC of one purpose is none of another."""
    keys = Keyring.generate()
    assert keys.verify("a", b"x", keys.sign("a", b"x"))
    assert not keys.verify("b", b"x", keys.sign("a", b"x"))
    assert not keys.verify("a", b"x", b"")
    assert keys.derive("a") != keys.derive("b")


def test_tokens_of_one_kind_open_nothing_else() -> None:
    """A cart's token does not open an order, nor another cart."""
    keys = Keyring.generate()
    cart, order = new_cart_id(keys), order_id_of("m")
    assert not opens_order(keys, order, cart_token(keys, order))
    assert not opens_cart(keys, new_cart_id(keys), cart_token(keys, cart))
    assert opens_order(keys, order, order_token(keys, order))


@given(st.text(max_size=80))
def test_made_up_ids(text: str) -> None:
    """No text that we did not sign is a guest's cart or a token."""
    keys = Keyring.from_secrets(OLD)
    assert not is_guest_cart(keys, text)
    assert not opens_cart(keys, "g" + "a" * 24, text)


def test_order_ids() -> None:
    """An order's id follows from its command's id alone, whatever keys there are."""
    assert order_id_of("m") == order_id_of("m") != order_id_of("n")
    assert is_order_id(order_id_of("m"))
    assert not is_order_id(order_id_of("m").upper())


@given(
    st.sampled_from(["carts", "catalog"]),
    st.text(max_size=40),
    st.text(max_size=40),
    st.integers(0, 20 * 86_400).map(lambda seconds: NOW - timedelta(seconds=seconds)),
)
def test_operation_ids(group: str, sender: str, resource: str, at: datetime) -> None:
    """An operation's id carries what is needed to read it, and is the same all day long."""
    keys = Keyring.from_secrets(OLD)
    operation = operation_of(group, "m" * 32, "f" * 32, sender, resource, at)
    name = operation_id(keys, operation)
    assert read_operation_id(keys, name, NOW) == operation
    evening = at.replace(hour=23, minute=59)
    assert operation_id(keys, operation_of(group, "m" * 32, "f" * 32, sender, resource, evening)) == name


@given(st.text(max_size=300))
def test_made_up_operations(text: str) -> None:
    """A made-up operation is a 404, never an error."""
    with pytest.raises(Problem) as caught:
        read_operation_id(Keyring.from_secrets(OLD), text, NOW)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], 0),
        (["wait=10"], 10),
        (["WAIT = 10"], 10),
        (['wait="7"'], 7),
        (["respond-async, wait=5"], 5),
        (["respond-async", "wait=5"], 5),
        (["wait=5; strict=1"], 5),
        (["wait=5, wait=9"], 5),
        (["wait=900"], 30),
        (["wait=0"], 0),
        (["wait"], 0),
        (["wait=soon"], 0),
        (["wait=-1"], 0),
        (["wait=1.5"], 0),
        (["wait=99999999999"], 0),
        (['handling="a, wait=9", wait=4'], 4),
        (["waiting=9"], 0),
        (["return=minimal"], 0),
    ],
)
def test_prefer(headers: list[str], seconds: int) -> None:
    """Prefer: wait is read as RFC 7240 writes it, bounded, and ignored where it makes no sense."""
    assert wait_of(headers, 30) == seconds
    assert applied(seconds) == ({"Preference-Applied": f"wait={seconds}"} if seconds else {})

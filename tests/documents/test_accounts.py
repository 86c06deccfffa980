"""Accounts: what makes two addresses one, what a name and a password may be, and the rules of the address book."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from documents.accounts import (
    ADDRESSES_MAX,
    AddressBookFull,
    AddressUnknown,
    InvalidField,
    RefreshToken,
    SavedAddress,
    User,
    cart_of,
    caseless,
    clean_name,
    clean_password,
    display_email,
    email_key,
    normal_password,
)

LOCAL_PARTS = st.text(st.characters(categories=["Ll", "Lu", "Lo", "Nd", "Mn"]), min_size=1, max_size=30)
DOMAINS = st.sampled_from(["example.com", "Example.ORG", "exämple.de", "xn--exmple-cua.de", "quire.test"])
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def an_email(local: str, domain: str) -> str:
    """An address that is one; others are no example."""
    email = f"{local}@{domain}"
    try:
        display_email(email)
    except InvalidField:
        assume(False)
    return email


def an_address(address_id: str = "a") -> SavedAddress:
    """An address."""
    return SavedAddress(
        id=address_id, name="Ada", line1="1 Main St", city="London", postal_code="W1", country="GB"
    )


def a_user() -> User:
    """An account as the database gives it, without a database."""
    user: User = User.model_construct(
        id="1",
        rev=1,
        email="ada@example.com",
        email_key="ada@example.com",
        verified=True,
        addresses=[],
        epoch=0,
    )
    return user


@given(LOCAL_PARTS, DOMAINS)
@example("ß", "example.com")
@example("ŉ", "example.com")
@example("ΐ", "example.com")
def test_the_key_of_what_mail_is_sent_to_is_the_key_of_what_was_typed(local: str, domain: str) -> None:
    """Normalising an address does not change whose it is."""
    email = an_email(local, domain)
    assert email_key(display_email(email)) == email_key(email)


@given(LOCAL_PARTS, DOMAINS)
def test_case_and_composition_do_not_make_another_account(local: str, domain: str) -> None:
    """Case-folded, composed and decomposed spellings have one key; upper case where it folds back to the same."""
    email = an_email(local, domain)
    upper = local.upper() if local.upper().casefold() == local.casefold() else local  # not so for a dotless i
    for spelling in (upper, local.casefold(), unicodedata.normalize("NFD", local), f" {local}"):
        try:
            assert email_key(f"{spelling}@{domain.upper()}") == email_key(email)
        except InvalidField:
            continue  # a spelling that is no address is nobody's


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    """The caseless form is stable, so that a stored key never changes its mind."""
    assert caseless(caseless(text)) == caseless(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.com", "ada@EXAMPLE.com"),
        ("strasse@example.com", "STRAßE@example.com"),
        ("a@exämple.de", "a@xn--exmple-cua.de"),
        ("ｊohn@example.com", "john@example.com"),
        (" ada@example.com\n", "ada@example.com"),
    ],
)
def test_spellings_of_one_address(one: str, other: str) -> None:
    """What differs in case, width or punycode is one account."""
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("ada@example.com", "ada@example.org"), ("a.b@example.com", "ab@example.com")]
)
def test_different_addresses(one: str, other: str) -> None:
    """Dots and plus signs are the mail server's business: they make another account."""
    assert email_key(one) != email_key(other)


@given(st.text(max_size=60))
@example("a@b")
@example("@example.com")
@example("ada@@example.com")
@example("ada@[127.0.0.1]")
@example('"quoted"@example.com')
@example("Ada <ada@example.com>")
@example("ada@localhost")
@example("a\r\nBcc: eve@example.com")
def test_any_text_is_an_address_or_a_named_error(text: str) -> None:
    """Nothing but `InvalidField` is raised, and what passes has no line break to smuggle a header in."""
    try:
        shown = display_email(text)
    except InvalidField:
        return  # anything else fails the test
    assert "@" in shown
    assert not {"\r", "\n"} & set(shown)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "Ada\nKing", "Ada\x00", "Ada\u2028King"])
def test_a_name_that_nobody_can_read_is_refused(name: str) -> None:
    """Empty, endless, or with characters that break lines."""
    with pytest.raises(InvalidField, match="name"):
        clean_name(name)


@pytest.mark.parametrize("name", ["Ada", "李", "Ñandú", "O’Neill-Smith Jr.", "x" * 100, "👩‍🚀"])
def test_people_are_called_many_things(name: str) -> None:
    """A name is kept as it was given, composed and trimmed."""
    assert clean_name(f"  {name} ") == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "password", ["1234567", "x" * 129, "ada@example.com", "ADA@example.com", "ｓｈｏｒｔ"]
)
def test_a_password_that_is_none_is_refused(password: str) -> None:
    """Too short, too long, or the address itself; the message does not repeat it."""
    with pytest.raises(InvalidField) as refused:
        clean_password(password, "Ada@example.com")
    assert password not in str(refused.value)


@pytest.mark.parametrize(
    "password", ["x" * 8, "x" * 128, "pass phrase with spaces", "пароль-пароль", "        "]
)
def test_any_character_may_be_in_a_password(password: str) -> None:
    """There are no rules of composition."""
    assert clean_password(password, "ada@example.com") == normal_password(password)


def test_a_password_typed_on_another_keyboard_is_the_same() -> None:
    """Composed and decomposed accents hash alike."""
    assert normal_password("pa\u0301ssword") == normal_password("p\u00e1ssword")


@given(st.text(min_size=1), st.text(min_size=1))
def test_everybody_has_a_cart_of_their_own(one: str, other: str) -> None:
    """The cart's id follows from the user's alone, and two users never share one."""
    assert cart_of(one).startswith("u")
    assert len(cart_of(one)) == 33
    assert (cart_of(one) == cart_of(other)) is (one == other)


def test_carts_keep_their_owners() -> None:
    """The derivation is a promise to stored carts: it never changes."""
    assert cart_of("01890a5d") == "uac22e3c73f4b4569021bf7188b07ee82"


def test_a_new_address_must_be_verified_anew() -> None:
    """Another address drops `verified`, another spelling of it does not."""
    user = a_user()
    user.change_email("ADA@example.com")
    assert user.verified
    assert user.email == "ADA@example.com"
    user.change_email("king@example.com")
    assert not user.verified


def test_a_new_password_starts_an_epoch() -> None:
    """Refresh tokens of the password before are told by their epoch."""
    user = a_user()
    user.change_password("hash")
    assert (user.password_hash, user.epoch) == ("hash", 1)


def test_the_address_book_has_an_end() -> None:
    """Twenty addresses are kept, and a refusal changes nothing."""
    user = a_user()
    for number in range(ADDRESSES_MAX):
        user.add_address(an_address(str(number)))
    with pytest.raises(AddressBookFull):
        user.add_address(an_address("one too many"))
    assert len(user.addresses) == ADDRESSES_MAX


def test_an_address_is_replaced_in_its_place() -> None:
    """The order of the list stays."""
    user = a_user()
    for each in ("a", "b", "c"):
        user.add_address(an_address(each))
    user.replace_address(an_address("b").model_copy(update={"city": "Paris"}))
    assert [each.city for each in user.addresses] == ["London", "Paris", "London"]
    user.remove_address("a")
    assert [each.id for each in user.addresses] == ["b", "c"]
    for change in (user.remove_address, user.address):
        with pytest.raises(AddressUnknown):
            change("a")
    with pytest.raises(AddressUnknown):
        user.replace_address(an_address("a"))


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=90)))
def test_a_session_in_use_lasts_ninety_days_at_most(age: timedelta) -> None:
    """Each use buys 30 days, within 90 of the sign-in."""
    expires_at = RefreshToken.expiry(NOW, NOW + age)
    assert expires_at <= NOW + timedelta(days=90)
    assert expires_at - (NOW + age) <= timedelta(days=30)

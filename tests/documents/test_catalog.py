"""Titles: their key, their record, and what a search finds them by."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.catalog import (
    LAST_ASCENDING,
    LAST_DESCENDING,
    Book,
    BookDetails,
    Change,
    Contributor,
    InvalidISBN,
    SearchKeys,
    Subject,
    UnknownLanguage,
    fold,
    index_words,
    isbn13,
    language_code,
    query_words,
)
from documents.money import Money

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ISBN = "9780439023481"


@pytest.mark.parametrize(
    "text",
    [
        "9780439023481",
        "0439023483",
        "0-439-02348-3",
        "978-0-439-02348-1",
        " 978 0439 02348 1 ",
        "ISBN 0439023483",
        "isbn-13: 978-0-439-02348-1",
        "urn:isbn:9780439023481",
        "97-80-43-90-23-48-1",
        "978‐0‐439‐02348‐1",
    ],
)
def test_isbn_forms(text: str) -> None:
    """Every form of an ISBN is one key: the ISBN-13 without hyphens."""
    assert isbn13(text) == ISBN


def test_isbn_small_x() -> None:
    """The check digit X may be small."""
    assert isbn13("080442957x") == isbn13("0-8044-2957-X") == "9780804429573"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 digits"),
        ("123", "3 digits"),
        ("9780439023482", "check digit"),
        ("0439023484", "check digit"),
        ("4006381333931", "978 nor 979"),
        ("97804390234ab", "other characters"),
        ("9790060115615", "printed music"),
        ("978043902348١", "other characters"),
    ],
)
def test_no_isbn(text: str, reason: str) -> None:
    """What is no ISBN is refused with the reason."""
    with pytest.raises(InvalidISBN) as caught:
        isbn13(text)
    assert reason in caught.value.reason
    assert isinstance(caught.value, ValueError)


@given(st.text(max_size=40))
def test_isbn_never_else(text: str) -> None:
    """Any text either is an ISBN-13 of thirteen digits or raises InvalidISBN, and nothing else."""
    with suppress(InvalidISBN):
        assert isbn13(text).isdigit()


@given(st.integers(0, 999_999_999))
def test_isbn10_to_13(number: int) -> None:
    """Every ISBN-10 and its ISBN-13 are one key, and the key is its own key."""
    body = f"{number:09d}"
    check = -sum((10 - place) * int(digit) for place, digit in enumerate(body)) % 11
    key = isbn13(body + ("X" if check == 10 else str(check)))
    assert key[3:12] == body
    assert isbn13(key) == key
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(key))
    assert total % 10 == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("en-US", "eng"),
        ("EN", "eng"),
        ("eng", "eng"),
        ("deu", "ger"),
        ("de", "ger"),
        ("nl", "dut"),
        ("fra", "fre"),
        ("zh_Hant", "chi"),
        ("ang", "ang"),
        (" fr ", "fre"),
    ],
)
def test_language(text: str, code: str) -> None:
    """Languages are one code however a feed writes them: ISO 639-2/B."""
    assert language_code(text) == code


@pytest.mark.parametrize("text", ["English", "xx", "", "e", "12", "eng;fre"])
def test_no_language(text: str) -> None:
    """What is no language code is refused."""
    with pytest.raises(UnknownLanguage):
        language_code(text)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("L’Été, à Paris", "lete a paris"),
        ("STRAßE", "strasse"),
        ("Gabriel García Márquez", "gabriel garcia marquez"),
        ("Smørrebrød & Łódź", "smorrebrod lodz"),
        ("Æsop's Œuvre", "aesops oeuvre"),
        ("  a -- b_c ", "a b c"),
        ("1984", "1984"),
        ("Война и мир", "воина и мир"),
        ("", ""),
    ],
)
def test_fold(text: str, folded: str) -> None:
    """Case, accents and punctuation make no difference to a search."""
    assert fold(text) == folded


@pytest.mark.parametrize("text", ["J.R.R. Tolkien", "J. R. R. Tolkien", "JRR Tolkien", "j r r tolkien"])
def test_initials(text: str) -> None:
    """Initials are one word however they are set, in what is looked for and in what is found."""
    assert query_words(text) == ["jrr", "tolkien"]
    assert set(query_words(text)) <= set(index_words("J. R. R. Tolkien"))


@given(st.text(max_size=60))
def test_words_find_themselves(text: str) -> None:
    """Whatever a title is, its own words find it."""
    assert set(query_words(text)) <= set(index_words(text)) or len(index_words(text)) == 256


def details(**changes: object) -> BookDetails:
    """A record with everything that matters here."""
    return BookDetails.model_validate(
        {
            "title": "Persuasion",
            "contributors": [Contributor(name="Jane Austen"), Contributor(name="A. Reader", role="narrator")],
            "subjects": [Subject(name="Classic fiction", code="FBC")],
            "year": 1817,
            "price": Money(amount=999, currency="EUR"),
            **changes,
        }
    )


def test_put() -> None:
    """A first put adds, the same again is no change, another one changes; only effective ones count."""
    book = Book.model_construct(id=ISBN)
    assert book.put(details(), NOW) is Change.ADDED
    assert (book.rev, book.created_at, book.updated_at, book.available) == (1, NOW, NOW, False)
    assert book.put(details(), NOW + timedelta(days=1)) is Change.UNCHANGED
    assert (book.rev, book.updated_at) == (1, NOW)
    later = NOW + timedelta(days=2)
    assert book.put(details(year=1818), later) is Change.CHANGED
    assert (book.rev, book.created_at, book.updated_at, book.year) == (2, NOW, later, 1818)


def test_put_after_database() -> None:
    """A put of what the database already says is no change either, after the way there and back."""
    book = Book.model_construct(id=ISBN)
    book.put(details(), NOW)
    again = Book.loaded(book.stored())
    assert again.put(details(), NOW) is Change.UNCHANGED
    assert not again.changed


def test_search_keys_mended() -> None:
    """A put of the same record changes a title whose search keys were derived otherwise: by an older release."""
    book = Book.model_construct(id=ISBN)
    book.put(details(), NOW)
    old = Book.loaded(book.stored() | {"search": SearchKeys(title="old").model_dump()})
    assert old.put(details(), NOW) is Change.CHANGED
    assert old.search == book.search


def test_available_is_the_stocks() -> None:
    """A put never writes `available`: that follows the stock."""
    book = Book.loaded(Book.model_construct(id=ISBN).stored() | {"rev": 1, "available": True})
    book.put(details(), NOW)
    assert "available" not in book.delta()["$set"]
    assert "_id" not in book.delta()["$set"]
    assert book.delta()["$set"]["title"] == "Persuasion"


def test_not_for_sale_without_price() -> None:
    """A title without a price is not for sale, whatever the record wishes; with one it is."""
    book = Book.model_construct(id=ISBN)
    book.put(details(price=None), NOW)
    assert not book.for_sale
    book.put(details(), NOW)
    assert book.for_sale


def test_search_keys() -> None:
    """Words come from every part, authors from those who wrote, and what is missing sorts last both ways."""
    keys = SearchKeys.of(details(subtitle="A Novel", publisher="Quire", price=None, year=None))
    assert {"persuasion", "novel", "jane", "austen", "reader", "classic", "quire"} <= set(keys.words)
    assert keys.authors == ["jane austen"]
    assert keys.subjects == ["fbc", "classic fiction"]
    assert (keys.price_up, keys.price_down) == (LAST_ASCENDING, LAST_DESCENDING)
    assert (keys.year_up, keys.year_down) == (LAST_ASCENDING, LAST_DESCENDING)
    assert keys.title == "persuasion"

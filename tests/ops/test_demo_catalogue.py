"""The demo catalogue: true to its format, unmistakably not anyone's ISBNs, and covered."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import isbn as stdnum_isbn

from ops.demo_catalogue import DEMO_PREFIX, DemoBook, books_jsonl, cover, demo_books, demo_isbn
from ops.demo_catalogue.palettes import FAMILIES, Palette, family
from ops.demo_catalogue.typesetting import is_cjk, set_text, width_em

BOOKS = tuple(demo_books())
SVG = "{http://www.w3.org/2000/svg}"
THEMA = re.compile(r"^[A-Z]{2,5}$")
LANGUAGES = re.compile(
    "ang|ara|ben|bul|cat|chi|cze|dan|dut|eng|enm|fin|fre|ger|glg|gre|grc|hun|ice|ita|jpn|lat|mal|nor|oci|per"
    "|pol|por|rum|rus|san|sco|slv|spa|srp|swe|tam|ukr|yid"
)
"""ISO 639-2/B codes, written out so that a slip like 'deu' for 'ger' shows."""


def draw(book: DemoBook) -> str:
    """The book's cover, as the shop asks for it."""
    return cover(book.title, book.author, book.year, book.subjects[0].code, book.isbn)


def parse(drawn: str) -> ET.Element:
    """The root of a cover that we drew ourselves."""
    return ET.fromstring(drawn)  # noqa: S314 (the parser is the test; the text is our own)


def test_there_are_enough_books_in_enough_languages() -> None:
    """At least 320 books, a good part of them outside English, in a dozen languages or more."""
    languages = Counter(book.language for book in BOOKS)
    assert len(BOOKS) >= 320
    assert len(languages) >= 12
    assert languages["eng"] < 0.6 * len(BOOKS)


def test_no_book_stands_twice() -> None:
    """ISBNs are unique, and so are language, title and author together."""
    assert max(Counter(book.isbn for book in BOOKS).values()) == 1
    assert max(Counter((book.language, book.title, book.author) for book in BOOKS).values()) == 1


def test_every_isbn_is_well_formed_and_belongs_to_nobody() -> None:
    """The check digit is right, and the range table knows neither a group nor a registrant for it."""
    for book in BOOKS:
        assert stdnum_isbn.validate(book.isbn) == book.isbn
        prefix, group, registrant, _, _ = stdnum_isbn.split(book.isbn)
        assert (prefix, group, registrant) == ("978", "", ""), book.title
        assert book.isbn.startswith(DEMO_PREFIX)


def test_an_assigned_isbn_would_be_noticed() -> None:
    """The check above can fail: a number from an agency's range splits into group and registrant."""
    assert stdnum_isbn.split("9780141439518")[1:3] == ("0", "14")


def test_an_isbn_follows_from_the_edition() -> None:
    """Each number is the one that language, title, author and format give, so none was picked by hand."""
    for book in BOOKS:
        first = next(c.name for c in book.contributors if c.role == "author")
        assert book.isbn == demo_isbn(book.language, book.title, first, book.format)


@given(st.lists(st.text(), max_size=4))
def test_any_parts_give_a_valid_isbn(parts: list[str]) -> None:
    """Whatever the parts, the number validates and stands in the demo range."""
    number = demo_isbn(*parts)
    assert stdnum_isbn.validate(number) == number
    assert number.startswith(DEMO_PREFIX)


def test_people_are_named_with_a_role() -> None:
    """Every book has an author, no name is blank, and nobody stands twice in the same role."""
    for book in BOOKS:
        assert any(c.role == "author" for c in book.contributors), book.title
        assert all(c.name == c.name.strip() != "" for c in book.contributors)
        assert len(set(book.contributors)) == len(book.contributors)


def test_years_are_plausible() -> None:
    """Everything was first published before 1929, and nothing before Homer; there is no year zero."""
    assert all(-800 <= book.year < 1929 and book.year != 0 for book in BOOKS)


def test_subjects_are_thema_categories_with_one_heading_each() -> None:
    """Codes have Thema's shape, are not repeated in a book, and always carry the same heading."""
    headings: dict[str, str] = {}
    for book in BOOKS:
        codes = [subject.code for subject in book.subjects]
        assert codes
        assert len(set(codes)) == len(codes)
        for subject in book.subjects:
            assert THEMA.match(subject.code)
            assert headings.setdefault(subject.code, subject.name) == subject.name != ""


def test_the_rest_of_every_line_is_valid() -> None:
    """Language, format, pages, price, stock, publisher and description are what the format says."""
    for book in BOOKS:
        assert LANGUAGES.fullmatch(book.language)
        assert (book.pages is None) == (book.format == "ebook"), book.title
        assert book.pages is None or 16 <= book.pages <= 1600
        assert book.price.currency == "EUR"
        assert 499 <= book.price.amount <= 2999
        assert book.stock >= 0
        assert book.publisher == "Quire Editions"
        assert 8 <= len(book.description) <= 300, book.title
        assert book.description[-1] in ".。!?।", book.title
        assert all(text == text.strip() for text in (book.title, book.description, book.subtitle or "x"))


def test_stock_and_formats_vary() -> None:
    """Some titles are sold out, some nearly, most are not; every format is there."""
    stocks = Counter(min(book.stock, 4) for book in BOOKS)
    assert stocks[0] >= 5
    assert stocks[1] + stocks[2] + stocks[3] >= 20
    assert stocks[4] > len(BOOKS) / 2
    assert {book.format for book in BOOKS} == {"paperback", "hardback", "ebook"}


def test_the_file_is_json_lines_as_written() -> None:
    """Each line is one JSON object that the writer would write again byte for byte."""
    lines = books_jsonl().read_bytes().splitlines()
    assert lines == [msgspec.json.encode(book) for book in BOOKS]


def test_every_cover_is_small_plain_well_formed_svg() -> None:
    """Every cover parses, names its book, stays under 6 kB and neither executes nor fetches anything."""
    for book in BOOKS:
        drawn = draw(book)
        root = parse(drawn)
        assert root.tag == f"{SVG}svg"
        assert root.attrib["viewBox"] == "0 0 400 600"
        assert len(drawn.encode()) < 6000, book.title
        name = root.findtext(f"{SVG}title", "")
        assert book.title.replace("'", "’") in name
        assert book.author.replace("'", "’") in name
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "title", "rect", "path", "text", "tspan"}
        names = {key for element in root.iter() for key in element.attrib}
        assert not {key for key in names if key.startswith("on") or "href" in key or key in ("id", "style")}
        assert "url(" not in drawn


def test_every_cover_keeps_its_text_inside() -> None:
    """No line is estimated wider than the page, none stands outside it, and no title is cut short."""
    for book in BOOKS:
        shown = ""
        for text in parse(draw(book)).iter(f"{SVG}text"):
            size = float(text.attrib["font-size"])
            for span in text.iter(f"{SVG}tspan"):
                assert span.text
                shown += span.text
                assert width_em(span.text) * size <= 340, span.text
                assert 0 < float(span.attrib["y"]) < 566, span.text
        assert _letters(book.title) in _letters(shown), shown


def _letters(text: str) -> str:
    return re.sub(r"[\s-]", "", text.replace("'", "’"))


def test_a_cover_is_the_same_every_time_and_differs_between_books() -> None:
    """The drawing depends on nothing but its arguments, and no two books look alike."""
    first, second = [draw(book) for book in BOOKS], [draw(book) for book in BOOKS]
    assert first == second
    assert len(set(first)) == len(BOOKS)


@given(st.text(max_size=400), st.text(max_size=200), st.integers(-800, 2100), st.text(max_size=6))
def test_any_text_makes_a_safe_cover(title: str, author: str, year: int, code: str) -> None:
    """Markup, control characters, one endless word, nothing at all: the cover stays well formed."""
    drawn = cover(title, author, year, code, "9786900000005")
    tags = {element.tag.removeprefix(SVG) for element in parse(drawn).iter()}
    assert tags <= {"svg", "title", "rect", "path", "text", "tspan"}


def test_markup_in_a_title_is_text() -> None:
    """A title that looks like a script is shown, not run."""
    root = parse(cover('<script>alert("&")</script>', "A & B", 1900, "FBC", "9786900000005"))
    assert root.find(f".//{SVG}script") is None
    name = root.find(f"{SVG}title")
    assert name is not None
    assert name.text == '<script>alert("&")</script> – A & B'


@given(st.text(max_size=300), st.integers(60, 340))
def test_set_text_is_bounded(text: str, measure: int) -> None:
    """However long the text or its words, lines stay within their number, measure and height."""
    lines = set_text(text, measure, (40, 24), 5, 130)
    assert 1 <= len(lines.lines) <= 5
    assert lines.height <= 130
    assert all(width_em(line) * lines.size <= measure + 0.01 for line in lines.lines)


def test_long_words_are_broken_and_long_titles_cut() -> None:
    """A word wider than the page is hyphenated; what does not fit ends in an ellipsis."""
    broken = set_text("Donaudampfschifffahrtsgesellschaftskapitän", 200, (24,), 5, 200)
    assert len(broken.lines) > 1
    assert broken.lines[0].endswith("-")
    assert "".join(line.removesuffix("-") for line in broken.lines) == (
        "Donaudampfschifffahrtsgesellschaftskapitän"
    )
    assert set_text("word " * 200, 200, (24,), 5, 200).lines[-1].endswith("…")


def test_scripts_without_spaces_break_between_characters() -> None:
    """Japanese is broken anywhere but before a closing mark."""
    lines = set_text("吾輩は猫である。名前はまだ無い。", 160, (40,), 6, 300).lines
    assert "".join(lines) == "吾輩は猫である。名前はまだ無い。"
    assert len(lines) >= 4
    assert not any(line.startswith("。") for line in lines)
    assert is_cjk("源氏物語")
    assert not is_cjk("Genji 源氏")


def test_widths_follow_the_script() -> None:
    """Wide scripts count for more than Latin, and accents that sit on a letter for nothing."""
    assert width_em("சபத") > width_em("abc")
    assert width_em("東京") == 2.0
    assert width_em("e\u0301") == width_em("e")


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


PALETTES = [palette for kin in FAMILIES.values() for palette in kin.palettes]


@pytest.mark.parametrize("palette", PALETTES, ids=lambda palette: palette.ground)
def test_text_can_be_read_on_its_ground(palette: Palette) -> None:
    """Ink on paper and paper on ground keep WCAG's 4.5 to 1 for small text."""
    assert _contrast(palette.ink, palette.paper) >= 4.5
    assert _contrast(palette.paper, palette.ground) >= 4.5


def test_a_subject_finds_its_nearest_family() -> None:
    """The longest known prefix decides; an unknown code falls back on general fiction."""
    assert family("FFC") is FAMILIES["FF"]
    assert family("QDHA") is FAMILIES["QDHA"]
    assert family("QDTS") is FAMILIES["Q"]
    assert family("ZZZ") is family("") is FAMILIES["F"]

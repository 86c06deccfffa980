"""Feeds: every row becomes a command or a complaint that names its line and reason."""

import csv
import io
import json
from typing import Any

import pytest

from app.feeds import BadAmount, Defaults, FeedError, Row, Skipped, format_of, minor_units, parse
from app.feeds.recovery import recover, whole_digits
from documents.catalog import InvalidISBN
from tests.app.shelves import goodbooks, goodbooks_path, isbn

EUR = Defaults(currency="EUR")


def rows(text: str | bytes, format: str = "csv", defaults: Defaults = EUR) -> list[Row | Skipped]:  # noqa: A002
    """What a file gives."""
    return list(parse(io.BytesIO(text.encode() if isinstance(text, str) else text), format, defaults))


def only(text: str, format: str = "csv", defaults: Defaults = EUR) -> Any:  # noqa: A002
    """What a file of one row gives: its command, or its complaint."""
    (row,) = rows(text, format, defaults)
    return row.command if isinstance(row, Row) else row.reason


def test_goodbooks() -> None:
    """The real feed: exactly the rows whose zero-filled ISBN-10 passes its check digit, computed here by hand."""
    lines = goodbooks_path().read_text(encoding="utf-8")
    expected: dict[int, str] = {}
    for line, record in enumerate(csv.DictReader(io.StringIO(lines, newline="")), start=2):
        ten = record["isbn"].zfill(10).upper() if record["isbn"] else ""
        digits = [10 if digit == "X" else int(digit) for digit in ten]
        if digits and sum((10 - place) * digit for place, digit in enumerate(digits)) % 11 == 0:
            expected[line] = ten[:9]
    found = {row.line: row.command.isbn[3:12] for row in goodbooks() if isinstance(row, Row)}
    skipped = [row for row in goodbooks() if isinstance(row, Skipped)]
    assert found == expected
    assert (len(found), len(skipped)) == (9277, 723)
    assert sum(row.reason == "no ISBN: there is none" for row in skipped) == 565
    assert sum("check digit is wrong" in row.reason for row in skipped) == 23
    assert sum(row.reason.endswith("its digits are not all there") for row in skipped) == 157
    first = next(row for row in goodbooks() if isinstance(row, Row))
    assert (first.line, first.command.isbn, first.command.year, first.command.ratings_count) == (
        2,
        "9780439023481",
        2008,
        4780653,
    )
    assert {row.command.language for row in goodbooks() if isinstance(row, Row)} >= {
        "eng",
        "fre",
        "ger",
        "dut",
        None,
    }


@pytest.mark.parametrize(
    ("short", "long", "found"),
    [
        ("439023483", "", "9780439023481"),
        ("0439023483", "9.78e+12", "9780439023481"),
        ("61120081", "", "9780061120084"),
        ("", "9780439023481.0", "9780439023481"),
        ("", "9.780439023481e+12", "9780439023481"),
        ("", "9780439023481", "9780439023481"),
        ("439023484", "9780439023481.0", "9780439023481"),
        ("978-0-439-02348-1", "", "9780439023481"),
        ("", "978-0-439-02348-1", "9780439023481"),
        ("80442957X", "", "9780804429573"),
    ],
)
def test_recovered(short: str, long: str, found: str) -> None:
    """Lost zeros are filled up; a float counts where all thirteen digits are there."""
    assert recover(short, long) == found


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("", ""),
        ("439023484", ""),
        ("", "9.78043902348e+12"),
        ("12345", ""),
        ("", "97893806587.0"),
        ("", "nan"),
    ],
)
def test_not_recovered(short: str, long: str) -> None:
    """Nothing is guessed: a digit that is lost stays lost."""
    with pytest.raises(InvalidISBN):
        recover(short, long)
    assert whole_digits("9.78043902348e+12") is None


@pytest.mark.parametrize(
    ("text", "currency", "units"),
    [
        ("12.99", "EUR", 1299),
        ("12.9", "EUR", 1290),
        ("12", "EUR", 1200),
        ("0", "EUR", 0),
        ("12.500", "EUR", 1250),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("-0.00", "EUR", 0),
    ],
)
def test_amounts(text: str, currency: str, units: int) -> None:
    """Decimal amounts become minor units exactly."""
    assert minor_units(text, currency) == units


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("12.999", "EUR"),
        ("1.5", "JPY"),
        ("-1", "EUR"),
        ("1,99", "EUR"),
        ("", "EUR"),
        ("1e3", "EUR"),
        ("١", "EUR"),
        ("9" * 12, "EUR"),
    ],
)
def test_bad_amounts(text: str, currency: str) -> None:
    """What is negative, too exact or no number is no price."""
    with pytest.raises(BadAmount):
        minor_units(text, currency)


def test_table() -> None:
    """Our own columns in any order, semicolons between them, a byte order mark and quoted line breaks."""
    header = "\ufeffTitle;Author;ISBN;Price;Currency;Stock;Subjects;Year"
    text = f'{header}\n"War\nand Peace";Tolstoy, Leo;{isbn(1)};1.50;USD;0;Russia;1869\n'
    command = only(text)
    assert (command.title, [each.name for each in command.contributors]) == (
        "War and Peace",
        ["Tolstoy, Leo"],
    )
    assert (command.price, command.currency, command.stock, command.year) == (150, "USD", 0, 1869)
    assert [each.name for each in command.subjects] == ["Russia"]


def test_defaults() -> None:
    """Price and stock are filled in where a row names none, and only there."""
    given = Defaults("EUR", 1299, 20)
    command = only(f"isbn,title,price,stock\n{isbn(1)},A,,\n", defaults=given)
    assert (command.price, command.currency, command.stock) == (1299, "EUR", 20)
    command = only(f"isbn,title,price,stock\n{isbn(1)},A,1.00,0\n", defaults=given)
    assert (command.price, command.stock) == (100, 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ("title=", "title"),
        ("price=-1", "negative"),
        ("price=1.999", "decimals"),
        ("price=x", "no price"),
        ("stock=-1", "negative"),
        ("stock=many", "no whole number"),
        ("year=MMXX", "no whole number"),
        ("year=99999", "year"),
        ("language=Elvish", "language"),
        ("isbn=9780439023482", "check digit"),
        ("isbn=", "there is none"),
        ("currency=euro", "currency"),
        ("for_sale=maybe", "true nor false"),
    ],
)
def test_skipped(fields: str, reason: str) -> None:
    """A row that cannot be is left out, with its line and the reason; its neighbours are taken."""
    good = {
        "isbn": isbn(1),
        "title": "A",
        "price": "1",
        "stock": "1",
        "year": "2000",
        "language": "eng",
        "currency": "EUR",
        "for_sale": "",
    }
    name, _, value = fields.partition("=")
    lines = [
        ",".join(each.values())
        for each in (good | {"isbn": isbn(2)}, good | {name: value}, good | {"isbn": isbn(3)})
    ]
    found = rows(",".join(good) + "\n" + "\n".join(lines))
    assert [type(each) for each in found] == [Row, Skipped, Row]
    assert isinstance(found[1], Skipped)
    assert found[1].line == 3
    assert reason in found[1].reason


def test_lines_after_quoted_breaks() -> None:
    """A row is named by the line that it begins on, also behind fields that span lines; empty and short ones too."""
    found = rows(f'isbn,title\n{isbn(1)},"a\nb\nc"\nx\n\n{isbn(1)},again\n')
    assert [(each.line, getattr(each, "reason", "")) for each in found] == [
        (2, ""),
        (5, "it has 1 fields, the header has 2"),
        (6, "the row is empty"),
        (7, f"{isbn(1)} stands on line 2 already: the first one counts"),
    ]


@pytest.mark.parametrize("text", ["", "\n", "a,b\n", "isbn,isbn,title\n", 'isbn,"title\n', "title\n"])
def test_no_header(text: str) -> None:
    """A table without a header that names isbn and title is refused as a whole."""
    with pytest.raises(FeedError) as caught:
        rows(text)
    assert caught.value.line == 1


def test_json_lines() -> None:
    """One object a line, prices in minor units; a broken line is named and its neighbours are taken."""
    record = {
        "title": "A",
        "contributors": [{"name": "B"}],
        "subjects": [{"code": "F", "name": "Fiction"}],
        "price": {"amount": 995, "currency": "EUR"},
        "stock": 3,
        "language": "de",
    }
    good = [json.dumps(record | {"isbn": each}) for each in (isbn(1), isbn(2), "123")]
    lines = [good[0], "{", good[1], good[2], json.dumps({"isbn": isbn(3)})]
    found = rows("\n".join(lines) + "\n", "jsonl")
    assert [(each.line, type(each)) for each in found] == [
        (1, Row),
        (2, Skipped),
        (3, Row),
        (4, Skipped),
        (5, Skipped),
    ]
    assert isinstance(found[0], Row)
    command = found[0].command
    assert (command.price, command.stock, command.language, command.subjects[0].code) == (995, 3, "ger", "F")


def test_formats() -> None:
    """A file's ending says its format; an unknown one is refused, and so is UTF-16."""
    assert [format_of(name) for name in ("a.csv", "A.TSV", "b.jsonl", "c.ndjson")] == [
        "csv",
        "csv",
        "jsonl",
        "jsonl",
    ]
    for bad in ("a.xlsx", "books", ""):
        with pytest.raises(FeedError):
            format_of(bad)
    with pytest.raises(FeedError, match="UTF-16"):
        rows("isbn,title\n".encode("utf-16"))

"""What of a page stands in it before its script runs: readers see it at once, and crawlers without a script too.

The markup is that of web/src/ui/layout.tsx, ui/books.tsx, pages/home.tsx and pages/book.tsx, whose script takes over.
"""

from html import escape
from typing import Final
from urllib.parse import quote

import pycountry

from app.feeds.amounts import DECIMALS
from app.reads.catalog import BookView
from app.reads.catalog.shapes import ContributorView, SubjectCount
from app.reads.money import Money
from app.routes.shop.build import Texts

SIGNS: Final = {"EUR": "€", "GBP": "£", "USD": "$"}
COVER: Final = 'width="300" height="450" decoding="async"'


def decimal(money: Money) -> str:
    """An amount as schema.org writes prices: 1299 EUR is "12.99", 500 JPY is "500" (ISO 4217's minor units)."""
    places = DECIMALS.get(money.currency, 2)
    if places == 0:
        return str(money.amount)
    whole, rest = divmod(money.amount, 10**places)
    return f"{whole}.{rest:0{places}d}"


def language(code: str | None) -> str | None:
    """BCP 47, which prefers ISO 639-1's two letters where there are two."""
    found = pycountry.languages.get(alpha_3=code) if code else None
    return getattr(found, "alpha_2", code) if found else code


def authors(book: BookView) -> str:
    """Who wrote it, a comma between them."""
    return ", ".join(each.name for each in book.contributors if each.role == "author")


def home_body(say: Texts, shelves: list[tuple[SubjectCount, list[BookView]]]) -> str:
    """The first page: a shelf for each subject. Covers beside the first words come with the script: soon enough."""
    hero = (
        f'<div class="hero"><div class="hero__text"><h1>{escape(say("shop.claim"))}</h1>'
        f'<p>{escape(say("shop.lead"))}</p></div><div class="hero__fan"></div></div>'
    )
    return hero + "".join(
        f'<section class="shelf"><div class="shelf__head"><h2>{escape(subject.name)}</h2>'
        f'<a href="/search?subject={quote(subject.value)}">{escape(say("shelf.all", n=f"{subject.count:,}"))}</a></div>'
        '<ul class="shelf__row">'
        + "".join(f"<li>{_card(say, book, eager=number == 0)}</li>" for book in books)
        + "</ul></section>"
        for number, (subject, books) in enumerate(shelves)
    )


def _card(say: Texts, book: BookView, *, eager: bool) -> str:
    return (
        f'<article class="card"{_lang(book)}><img class="cover" src="{book.cover_url}" alt="" {COVER} '
        f'loading="{"eager" if eager else "lazy"}"><h3 class="card__title"><a href="/books/{book.isbn}">'
        f'{escape(book.title)}</a></h3><p class="card__author">{escape(authors(book)) or "&nbsp;"}</p>'
        f'<p class="card__price" lang="en"><span class="price">{_price(say, book)}</span></p></article>'
    )


def book_body(say: Texts, book: BookView) -> str:
    """The page of a book, as far as it is the same for everybody."""
    subtitle = f'<p class="book__subtitle">{escape(book.subtitle)}</p>' if book.subtitle else ""
    people = ", ".join(
        f'<a href="/search?author={quote(each.name)}">{escape(_said(say, each))}</a>'
        for each in book.contributors
    )
    said = (
        f'<p class="book__description"{_lang(book)}>{escape(book.description)}</p>'
        if book.description
        else ""
    )
    return (
        f'<article class="book"><div class="book__cover"><img class="cover" src="{book.cover_url}" '
        f'alt="{escape(say("book.cover", title=book.title))}" {COVER} fetchpriority="high"></div>'
        '<div class="book__text">'
        f"<div{_lang(book)}><h1>{escape(book.title)}</h1>{subtitle}</div>"
        f'<p class="book__people">{people}</p><div class="buy"><p class="buy__price">'
        f'<strong>{_price(say, book)}</strong></p><p class="buy__row"></p></div>{said}</div></article>'
    )


def _said(say: Texts, person: ContributorView) -> str:
    return person.name if person.role == "author" else say("book.role", name=person.name, role=person.role)


def _lang(book: BookView) -> str:
    code = language(book.language)
    return f' lang="{escape(code)}"' if code else ""


def _price(say: Texts, book: BookView) -> str:
    if book.price is None or not book.for_sale:
        return escape(say("book.notForSale"))
    currency = book.price.currency
    return f"{SIGNS.get(currency, f'{currency} ')}{decimal(book.price)}"

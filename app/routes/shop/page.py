"""The shop's page as it leaves: with a title, a canonical link, what crawlers read, and what it will ask for first."""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.reads.catalog import BookView
from app.routes.shop.body import authors, book_body, decimal, language
from app.routes.shop.build import BODY_END, HEAD_END, MAIN, Texts

NAME: Final = "Quire"
DESCRIPTION_LENGTH_MAX: Final = 300
SCHEMA_FORMATS: Final = {
    "paperback": "Paperback",
    "hardback": "Hardcover",
    "hardcover": "Hardcover",
    "ebook": "EBook",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What one page says of itself. `canonical` is absolute; None for pages that no search engine should keep.

    `body` is markup that stands in the page until its script runs. `data` holds answers of the API by their path and
    query: the page takes them from there instead of asking.
    """

    title: str
    description: str
    canonical: str | None = None
    image: str | None = None
    kind: str = "website"
    linked: Mapping[str, Any] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    body: str = ""


def composed(page: str, head: Head) -> bytes:
    """The built page with its head filled in."""
    titled = _replaced(page, "<title>", "</title>", html.escape(head.title))
    described = _replaced(titled, '<meta name="description" content="', '">', html.escape(head.description))
    with_body = described.replace(MAIN, f"{MAIN}{head.body}", 1)
    with_head = with_body.replace(HEAD_END, f"{_tags(head)}{HEAD_END}", 1)
    data = _data("application/json", head.data, "quire-data") if head.data else ""
    return with_head.replace(BODY_END, f"{data}{BODY_END}", 1).encode()


def _tags(head: Head) -> str:
    tags = [("og:title", head.title), ("og:description", head.description), ("og:type", head.kind)]
    if head.image is not None:
        tags.append(("og:image", head.image))
    lines = [f'<meta property="{name}" content="{html.escape(value)}">\n' for name, value in tags]
    if head.canonical is None:
        lines.append('<meta name="robots" content="noindex">\n')
    else:
        lines.append(f'<link rel="canonical" href="{html.escape(head.canonical)}">\n')
    if head.linked is not None:
        lines.append(_data("application/ld+json", head.linked))
    return "".join(lines)


def _data(media_type: str, value: Any, name: str | None = None) -> str:
    """A block of data. Browsers run no script of these types, and no text in it can end it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    safe = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    named = f' id="{name}"' if name else ""
    return f'<script type="{media_type}"{named}>{safe}</script>\n'


def _replaced(page: str, before: str, after: str, text: str) -> str:
    start = page.index(before) + len(before)
    return page[:start] + text + page[page.index(after, start) :]


def book_head(say: Texts, book: BookView, answer: Any, origin: str) -> Head:
    """The head of a book's page: schema.org's Book with its Offer. `answer` is the API's own of this book."""
    url = f"{origin}/books/{book.isbn}"
    people = authors(book)
    named = say("book.by", title=book.title, authors=people) if people else book.title
    said = book.description or named
    return Head(
        title=say("shop.titleOf", title=named),
        description=said if len(said) <= DESCRIPTION_LENGTH_MAX else f"{said[: DESCRIPTION_LENGTH_MAX - 1]}…",
        canonical=url,
        image=f"{origin}{book.cover_url}",
        kind="book",
        linked=_linked(book, url, origin),
        data={f"/v1/books/{book.isbn}": answer},
        body=book_body(say, book),
    )


def _linked(book: BookView, url: str, origin: str) -> dict[str, Any]:
    """https://schema.org/Book; what is not known is left out."""
    facts: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Book",
        "@id": url,
        "url": url,
        "name": book.title,
        "alternativeHeadline": book.subtitle,
        "isbn": book.isbn,
        "image": f"{origin}{book.cover_url}",
        "description": book.description,
        "author": _people(book, "author"),
        "translator": _people(book, "translator"),
        "illustrator": _people(book, "illustrator"),
        "datePublished": str(book.year) if book.year else None,
        "inLanguage": language(book.language),
        "numberOfPages": book.pages,
        "publisher": {"@type": "Organization", "name": book.publisher} if book.publisher else None,
        "about": [each.name for each in book.subjects],
        "bookFormat": _format(book.format),
        "offers": _offer(book, url),
    }
    return {name: value for name, value in facts.items() if value not in (None, [], "")}


def _people(book: BookView, role: str) -> list[dict[str, str]]:
    return [{"@type": "Person", "name": each.name} for each in book.contributors if each.role == role]


def _format(name: str | None) -> str | None:
    known = SCHEMA_FORMATS.get((name or "").lower())
    return f"https://schema.org/{known}" if known else None


def _offer(book: BookView, url: str) -> dict[str, Any] | None:
    if book.price is None or not book.for_sale:
        return None
    return {
        "@type": "Offer",
        "url": url,
        "price": decimal(book.price),
        "priceCurrency": book.price.currency,
        "availability": f"https://schema.org/{'InStock' if book.available else 'OutOfStock'}",
        "itemCondition": "https://schema.org/NewCondition",
        "seller": {"@type": "Organization", "name": NAME},
    }

"""The demo catalogue: real books in the public domain, and covers drawn for them.

    for book in demo_books():
        cover(book.title, book.author, book.year, book.subjects[0].code, book.isbn)

Field by field in docs/demo-catalogue.md; why the ISBNs start as they do in
docs/decisions/0005-demo-isbn-range.md.
"""

from ops.demo_catalogue.books import Contributor, DemoBook, Money, Subject, books_jsonl, demo_books
from ops.demo_catalogue.covers import cover
from ops.demo_catalogue.isbns import DEMO_PREFIX, demo_isbn

__all__ = (
    "DEMO_PREFIX",
    "Contributor",
    "DemoBook",
    "Money",
    "Subject",
    "books_jsonl",
    "cover",
    "demo_books",
    "demo_isbn",
)

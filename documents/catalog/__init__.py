"""The catalogue: titles, how they are found, and the imports that brought them."""

from documents.catalog.books import (
    LAST_ASCENDING,
    LAST_DESCENDING,
    Book,
    BookDetails,
    Change,
    Contributor,
    SearchKeys,
    Subject,
)
from documents.catalog.imports import SKIPPED_KEPT_MAX, TEXT_LENGTH_MAX, Import, SkippedRow
from documents.catalog.isbn import InvalidISBN, isbn13
from documents.catalog.languages import UnknownLanguage, language_code
from documents.catalog.words import fold, index_words, name_key, query_words

__all__ = [
    "LAST_ASCENDING",
    "LAST_DESCENDING",
    "SKIPPED_KEPT_MAX",
    "TEXT_LENGTH_MAX",
    "Book",
    "BookDetails",
    "Change",
    "Contributor",
    "Import",
    "InvalidISBN",
    "SearchKeys",
    "SkippedRow",
    "Subject",
    "UnknownLanguage",
    "fold",
    "index_words",
    "isbn13",
    "language_code",
    "name_key",
    "query_words",
]

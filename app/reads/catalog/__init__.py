"""Reading the catalogue: lists, search, facets, suggestions, one title."""

from app.reads.catalog.filters import Filters
from app.reads.catalog.queries import CatalogReads
from app.reads.catalog.shapes import BookList, BookView, Subjects, Suggestions, book_view
from app.reads.catalog.sorting import SORTS, BadCursor

__all__ = [
    "SORTS",
    "BadCursor",
    "BookList",
    "BookView",
    "CatalogReads",
    "Filters",
    "Subjects",
    "Suggestions",
    "book_view",
]

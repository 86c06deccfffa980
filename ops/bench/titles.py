"""The shelf that is sold from, and how often each title is asked for."""

import csv
import os
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from ops.demo_catalogue import demo_books, demo_isbn

TITLES = 1_000
FLASH_TITLE = demo_isbn("bench", "flash")  # one more, for the flash sale alone
ZIPF_EXPONENT = 1.0
SEED = 20_000
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Popularity:
    """Draws ranks (0: the most popular) with given weights; `source` says where those come from."""

    bounds: tuple[float, ...]
    source: str

    @classmethod
    def of(cls, weights: list[float], source: str) -> "Popularity":
        """From weights in any unit, of which the largest become the first ranks."""
        return cls(tuple(accumulate(sorted(weights, reverse=True))), source)

    def draws(self, many: int, seed: int = SEED) -> list[int]:
        """Ranks, the same ones for the same seed: two runs ask for the same titles."""
        random = Random(seed)
        return [bisect(self.bounds, random.random() * self.bounds[-1]) for _ in range(many)]


def popularity(titles: int) -> Popularity:
    """How many readers rated each of goodbooks-10k's most rated titles, where the file is; else Zipf's law.

    The file is looked for in QUIRE_TEST_DATA, or in ../shared/data beside the repository. Zipf: the title of rank r is
    asked for in proportion to 1/r.
    """
    folder = Path(os.environ.get("QUIRE_TEST_DATA") or ROOT.parent / "shared" / "data")
    path = folder / "goodbooks-10k" / "books.csv"
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as stream:
            counts = sorted((float(row["ratings_count"]) for row in csv.DictReader(stream)), reverse=True)
        if len(counts) >= titles:
            return Popularity.of(counts[:titles], "ratings_count of goodbooks-10k")
    return Popularity.of(
        [1 / (rank + 1) ** ZIPF_EXPONENT for rank in range(titles)],
        f"Zipf's law with exponent {ZIPF_EXPONENT:g} (goodbooks-10k is not in {folder})",
    )


def shelf(titles: int = TITLES) -> list[tuple[str, str]]:
    """ISBN-13 and name of so many titles: the demo catalogue's, then further printings of them."""
    books = [(book.isbn, book.title) for book in demo_books()]
    made: dict[str, str] = {}
    printing = 0
    while len(made) < titles:
        for isbn, title in books:
            if printing:
                made.setdefault(demo_isbn("bench", isbn, str(printing)), f"{title}, printing {printing + 1}")
            else:
                made.setdefault(isbn, title)
            if len(made) == titles:
                break
        printing += 1
    return list(made.items())

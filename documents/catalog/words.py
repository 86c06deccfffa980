"""Text as a search sees it: without case, accents or punctuation, cut into words."""

import re
import unicodedata
from collections.abc import Iterable

# What NFKD leaves whole, although readers type it plain.
PLAIN = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ŋ": "n"}
)
APOSTROPHES = re.compile("['’‘ʼ`´]")
WORD = re.compile(r"[^\W_]+")
WORD_LENGTH_MAX = 64  # characters; longer ones are noise, and index keys cost space
WORDS_MAX = 256  # of one title, all its fields together


def fold(text: str) -> str:
    """Lower case, no accents, no punctuation, single spaces: "L’Été, à Paris" is "lete a paris"."""
    return " ".join(_raw_words(text))


def _raw_words(text: str) -> list[str]:
    return WORD.findall(APOSTROPHES.sub("", _bare(text)))


def _bare(text: str) -> str:
    bare = text.casefold()
    if not bare.isascii():  # most titles are, and an import folds a lot of them
        decomposed = unicodedata.normalize("NFKD", bare)
        bare = "".join(char for char in decomposed if not unicodedata.combining(char)).translate(PLAIN)
    return bare


def _join_initials(words: Iterable[str]) -> list[str]:
    """Runs of single letters as one word: "J. R. R. Tolkien" and "J.R.R. Tolkien" read "jrr tolkien"."""
    joined: list[str] = []
    run = ""
    for word in words:
        if len(word) == 1 and word.isalpha():
            run += word
            continue
        if run:
            joined.append(run)
            run = ""
        joined.append(word)
    return [*joined, run] if run else joined


def query_words(text: str) -> list[str]:
    """The words that somebody looks for, in their order, initials joined."""
    return [word[:WORD_LENGTH_MAX] for word in _join_initials(_raw_words(text))]


def name_key(name: str) -> str:
    """A person's name as a key, the same however the initials are set: "J. R. R. Tolkien" is "jrr tolkien"."""
    return " ".join(query_words(name))


def index_words(*texts: str | None) -> list[str]:
    """The distinct words of all texts, first come first.

    Initials stand both joined and one by one, and what an apostrophe joins both joined and apart: readers look for
    "étranger" as well as for "l'étranger".
    """
    found: dict[str, None] = {}
    for text in texts:
        if text:
            words = _raw_words(text)
            found.update(dict.fromkeys(words))
            found.update(dict.fromkeys(_join_initials(words)))
            if APOSTROPHES.search(text):
                found.update(dict.fromkeys(WORD.findall(APOSTROPHES.sub(" ", _bare(text)))))
    return [word[:WORD_LENGTH_MAX] for word in found][:WORDS_MAX]

"""Setting a title without a font at hand: widths by estimate, lines by balance.

A cover is drawn on a server that has no fonts and shown by a browser whose serif is unknown, so widths
are estimated after a wide one, DejaVu Serif, and a line never depends on them being exact.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_NARROW = frozenset("iljtfI.,:;'’!|()[]-·")
_WIDE = frozenset("MWœæŒÆ—…@%Щшщжю")
_BROAD = frozenset("mwм")
_ROUND_SCRIPTS = frozenset(("TAMIL", "MALAYALAM", "TELUGU", "KANNADA", "SINHALA", "MYANMAR"))
_CLOSING = frozenset("、。，．」』）！？・ー")
ELLIPSIS = "…"


@dataclass(frozen=True)
class SetText:
    """Lines that fit, and the size they fit at; `size` and `leading` are in the cover's units."""

    lines: tuple[str, ...]
    size: int
    leading: float

    @property
    def height(self) -> float:
        """From the top of the first line to the bottom of the last."""
        return self.leading * len(self.lines)


def width_em(text: str) -> float:
    """The estimated width of `text` in ems of a book serif."""
    return sum(_char_em(char) for char in text)


def _char_em(char: str) -> float:
    category = unicodedata.category(char)
    if category in ("Mn", "Me", "Cf"):
        return 0.0  # accents and vowel signs sit on their letter
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    if char == " ":
        return 0.32
    if char in _NARROW:
        return 0.4
    if char in _WIDE:
        return 1.0
    if char in _BROAD:
        return 0.94
    if category == "Lu":
        return 0.8
    script = unicodedata.name(char, "").partition(" ")[0]
    if script in _ROUND_SCRIPTS:
        return 1.0
    if script == "DEVANAGARI":
        return 0.75
    return 0.61 if char.isascii() or script == "LATIN" else 0.66


def is_cjk(text: str) -> bool:
    """Whether every letter of `text` is as wide as it is high, so that it may be set vertically."""
    letters = [char for char in text if not char.isspace()]
    return bool(letters) and all(unicodedata.east_asian_width(char) in "WF" for char in letters)


def is_rtl(text: str) -> bool:
    """Whether `text` begins in a script that runs from right to left."""
    first = next((char for char in text if unicodedata.bidirectional(char) in ("L", "R", "AL")), "")
    return bool(first) and unicodedata.bidirectional(first) != "L"


def _words(text: str) -> list[str]:
    """What may not be broken: words; in CJK single characters, closing marks held to the one before."""
    pieces: list[str] = []
    for word in text.split():
        if not is_cjk(word):
            pieces.append(word)
            continue
        for char in word:
            if char in _CLOSING and pieces:
                pieces[-1] += char
            else:
                pieces.append(char)
    return pieces


def _glue(left: str, right: str) -> str:
    return left + right if is_cjk(left) and is_cjk(right) else f"{left} {right}"


def _greedy(words: Sequence[str], limit_em: float) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and width_em(_glue(lines[-1], word)) <= limit_em:
            lines[-1] = _glue(lines[-1], word)
        else:
            lines.append(word)
    return lines


def _balanced(words: Sequence[str], limit_em: float) -> list[str]:
    """As many lines as greedy setting needs, in the narrowest measure that still needs no more."""
    lines = _greedy(words, limit_em)
    while limit_em > 1:
        limit_em -= 0.25
        tighter = _greedy(words, limit_em)
        if len(tighter) > len(lines) or any(width_em(line) > limit_em for line in tighter):
            return lines
        lines = tighter
    return lines


def _hard_break(word: str, limit_em: float) -> list[str]:
    """A word wider than the measure, cut with hyphens."""
    pieces, current = [], ""
    for char in word:
        if current and width_em(current + char) + width_em("-") > limit_em and _char_em(char) > 0:
            pieces.append(current + "-")
            current = ""
        current += char
    return [*pieces, current]


def set_text(text: str, measure: float, sizes: Sequence[int], lines_max: int, height_max: float) -> SetText:
    """`text` at the largest of `sizes` (descending) at which it fits.

    A somewhat smaller size is taken where it spares a line with one short word. Words are broken only at
    the smallest size, and only there is a text cut, with an ellipsis. However
    long the text, no more than `lines_max` lines come back and each is estimated within `measure`.
    """
    words = _words(text) or [ELLIPSIS]
    first: SetText | None = None
    for size in sizes:
        if first is not None and size < first.size * 0.72:
            break
        leading = size * 1.16
        limit_em = measure / size
        lines = _balanced(words, limit_em)
        fits = len(lines) <= lines_max and len(lines) * leading <= height_max
        if not fits or any(width_em(line) > limit_em for line in lines):
            continue
        found = SetText(tuple(lines), size, leading)
        if not _lonely(lines):
            return found
        first = first or found
    return first or _forced(words, measure, sizes[-1], lines_max, height_max)


def _lonely(lines: Sequence[str]) -> bool:
    """Whether a line holds nothing but an article or a preposition: a size smaller reads better."""
    return len(lines) > 1 and any(len(line) <= 3 and not is_cjk(line) for line in lines)


def _forced(words: Sequence[str], measure: float, size: int, lines_max: int, height_max: float) -> SetText:
    """The last resort at one size: words broken with hyphens, lines past the limit cut off."""
    leading, limit_em = size * 1.16, measure / size
    broken = [piece for word in words for piece in _hard_break(word, limit_em)]
    lines = _greedy(broken, limit_em)
    kept = max(1, min(lines_max, int(height_max // leading)))
    if len(lines) > kept:
        last = lines[kept - 1]
        while last and width_em(last + ELLIPSIS) > limit_em:
            last = last[:-1]
        lines = [*lines[: kept - 1], last.rstrip() + ELLIPSIS]
    return SetText(tuple(lines), size, leading)

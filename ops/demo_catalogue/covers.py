"""Covers drawn from what is known of a book: no fonts, no pictures, no network, the same every time."""

from __future__ import annotations

from html import escape

from ops.demo_catalogue.palettes import Palette, family
from ops.demo_catalogue.patterns import Motif, Seed, rays
from ops.demo_catalogue.typesetting import SetText, is_cjk, is_rtl, set_text

FONTS = (
    "Iowan Old Style,Palatino,Palatino Linotype,Book Antiqua,Georgia,Noto Serif,Liberation Serif,"
    "Hiragino Mincho ProN,Songti SC,Noto Serif CJK JP,serif"
)
TITLE_SIZES = (80, 70, 60, 54, 48, 42, 37, 33, 29, 26, 23)
AUTHOR_SIZES = (21, 19, 17, 15, 13)
LINES_MAX = 6
_JOINERS = "\u200c\u200d"
"""Not printable, but without them Persian and Malayalam words are misspelt."""


def cover(title: str, author: str, year: int, subject_code: str, isbn: str) -> str:
    """An SVG document of 400 by 600 units for one book; pure, and under 6 kB.

    `subject_code` (Thema) chooses palette and motifs, `isbn` seeds the drawing, `year` is negative before
    the common era. Every text is escaped; nothing in it is executed or fetched.
    """
    seed = Seed(isbn)
    kin = family(subject_code)
    palette = kin.palettes[seed.below(len(kin.palettes))]
    title, author = _typographic(title), _typographic(author)
    label = escape(f"{title} – {author}" if author else title, quote=False)
    layouts = (_plate, _split, _split, _tall)
    layout = _slip if is_cjk(title) and len(title) <= 8 else layouts[seed.below(len(layouts))]
    # A sunburst would turn an East Asian book into a flag.
    motifs = tuple(motif for motif in kin.motifs if layout is not _slip or motif is not rays)
    motif = motifs[seed.below(len(motifs))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 600" role="img" font-family="{FONTS}">'
        f"<title>{label}</title>"
        f'<rect width="400" height="600" fill="{palette.ground}"/>'
        f"{layout(title, author, _year(year), palette, motif, seed)}</svg>"
    )


def _typographic(text: str) -> str:
    """Apostrophes as a printer sets them, and no control character (XML 1.0 has no way to write one)."""
    kept = (char for char in text if char.isprintable() or char in _JOINERS)
    return "".join(kept).replace("'", "’")


def _year(year: int) -> str:
    if year < 0:
        return f"{-year} BC"
    return f"AD {year}" if year < 1000 else str(year)


def _art(motif: Motif, seed: Seed, palette: Palette, y: int, height: int) -> str:
    """The motif in a box of its own; a nested svg clips it without an id."""
    drawing = motif(seed, height, palette.accent, palette.second)
    return f'<svg y="{y}" width="400" height="{height}">{drawing}</svg>'


def _text(lines: SetText, x: int, top: float, fill: str, anchor: str, extra: str = "") -> str:
    """Lines from `top` down; the first baseline stands most of a line below it."""
    spans = "".join(
        f'<tspan x="{x}" y="{top + lines.size * 0.86 + index * lines.leading:.1f}">'
        f"{escape(line, quote=False)}</tspan>"
        for index, line in enumerate(lines.lines)
    )
    return f'<text font-size="{lines.size}" fill="{fill}" text-anchor="{anchor}"{extra}>{spans}</text>'


def _small(text: str, x: int, y: int, fill: str, anchor: str) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="12" letter-spacing="2" fill="{fill}" text-anchor="{anchor}">'
        f"{escape(text, quote=False)}</text>"
    )


def _rule(x: int, y: float, width: int, fill: str) -> str:
    return f'<rect x="{x}" y="{y:.1f}" width="{width}" height="3" fill="{fill}"/>'


def _plate(title: str, author: str, year: str, palette: Palette, motif: Motif, seed: Seed) -> str:
    """The motif over the whole cover, and a label pasted on it."""
    heading = set_text(title, 244, TITLE_SIZES[3:], LINES_MAX, 210)
    name = set_text(author, 236, AUTHOR_SIZES, 2, 50)
    height = heading.height + name.height + 118
    top = (600 - height) / 2 - 20
    return (
        _art(motif, seed, palette, 0, 600)
        + f'<rect x="56" y="{top:.1f}" width="288" height="{height:.1f}" fill="{palette.paper}"/>'
        f'<rect x="63.5" y="{top + 7.5:.1f}" width="273" height="{height - 15:.1f}" fill="none"'
        f' stroke="{palette.ink}" stroke-width="1.5"/>'
        + _text(heading, 200, top + 34, palette.ink, "middle")
        + _rule(180, top + 34 + heading.height + 14, 40, palette.accent)
        + _text(name, 200, top + heading.height + 68, palette.ink, "middle", ' font-style="italic"')
        + _small(year, 200, round(top + height - 20), palette.ink, "middle")
    )


def _split(title: str, author: str, year: str, palette: Palette, motif: Motif, seed: Seed) -> str:
    """The motif above, paper below with the title ranged to the side where its script begins."""
    heading = set_text(title, 336, TITLE_SIZES, LINES_MAX, 210)
    name = set_text(author, 336, AUTHOR_SIZES, 2, 50)
    foot = (600 - round(heading.height + name.height + 100)) // 50 * 50
    x, anchor = (368, "end") if is_rtl(title) else (32, "start")
    return (
        _art(motif, seed, palette, 0, foot)
        + f'<rect y="{foot}" width="400" height="{600 - foot}" fill="{palette.paper}"/>'
        f'<rect y="{foot}" width="400" height="6" fill="{palette.ink}"/>'
        + _text(heading, x, foot + 28, palette.ink, anchor)
        + _text(name, x, foot + heading.height + 38, palette.ink, anchor, ' font-style="italic"')
        + _small(year, 32, 580, palette.ink, "start")
        + _small("QUIRE", 370, 580, palette.ink, "end")
    )


def _tall(title: str, author: str, year: str, palette: Palette, motif: Motif, seed: Seed) -> str:
    """The title large on the ground, the motif as a frieze below it."""
    heading = set_text(title, 330, TITLE_SIZES, LINES_MAX, 270)
    name = set_text(author, 330, AUTHOR_SIZES, 2, 50)
    top = 96 + name.height
    frieze = 550 - (550 - round(max(300, top + heading.height + 30))) // 50 * 50
    return (
        _text(name, 200, 44, palette.paper, "middle", ' letter-spacing="0.5"')
        + _rule(180, 44 + name.height + 14, 40, palette.accent)
        + _text(heading, 200, top, palette.paper, "middle")
        + f'<rect y="{frieze}" width="400" height="{550 - frieze}" fill="{palette.paper}"/>'
        + _art(motif, seed, _on_paper(palette), frieze, 550 - frieze)
        + _small(year, 32, 580, palette.paper, "start")
        + _small("QUIRE", 370, 580, palette.paper, "end")
    )


def _on_paper(palette: Palette) -> Palette:
    """The same palette for a motif drawn on paper, where the pale second colour would vanish."""
    return Palette(palette.paper, palette.ink, palette.accent, palette.ground, palette.paper)


def _slip(title: str, author: str, year: str, palette: Palette, motif: Motif, seed: Seed) -> str:
    """A vertical title on a paper slip, as East Asian books are labelled."""
    letters = [letter for letter in title if not letter.isspace()]
    size = min(54, 360 // len(letters))
    height = round(size * 1.12 * len(letters) + 44)
    spans = "".join(
        f'<tspan x="324" y="{62 + size * 0.88 + index * size * 1.12:.1f}">'
        f"{escape(letter, quote=False)}</tspan>"
        for index, letter in enumerate(letters)
    )
    name = set_text(author, 330, AUTHOR_SIZES, 1, 30)
    return (
        _art(motif, seed, palette, 0, 500)
        + f'<rect x="282" y="40" width="84" height="{height}" fill="{palette.paper}"/>'
        f'<rect x="287.5" y="45.5" width="73" height="{height - 11}" fill="none" stroke="{palette.ink}"/>'
        f'<text font-size="{size}" fill="{palette.ink}" text-anchor="middle">{spans}</text>'
        f'<rect y="500" width="400" height="100" fill="{palette.paper}"/>'
        + _text(name, 32, 524, palette.ink, "start", ' font-style="italic"')
        + _small(year, 32, 582, palette.ink, "start")
        + _small("QUIRE", 370, 582, palette.ink, "end")
    )

"""The geometry on the covers: each motif fills a box of 400 by `height` (a multiple of 50) with two colours.

No ids, so that many covers may stand inline in one page; one path a colour, so that they stay small.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from math import cos, pi, sin

WIDTH = 400


class Seed:
    """A stream of small numbers from a text: the same on every machine and Python version."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._drawn = 0

    def below(self, limit: int) -> int:
        """The next number, from 0 to `limit` - 1 (near enough to even for drawing)."""
        digest = sha256(f"{self._text}/{self._drawn}".encode()).digest()
        self._drawn += 1
        return int.from_bytes(digest[:4], "big") % limit


Motif = Callable[[Seed, int, str, str], str]
"""(seed, height, accent, second) -> SVG elements."""


def _path(data: list[str], fill: str) -> str:
    return f'<path fill="{fill}" d="{"".join(data)}"/>' if data else ""


def _stroke(data: list[str], colour: str, width: float) -> str:
    return f'<path fill="none" stroke="{colour}" stroke-width="{width:g}" d="{"".join(data)}"/>'


def _side(height: int) -> int:
    """The side of a grid's cell, so that whole cells fill the box (its height is a multiple of 50)."""
    return 100 if height % 100 == 0 else 50


def _disc(x: float, y: float, radius: float) -> str:
    arc = f"a{radius:g} {radius:g} 0 1 0"
    return f"M{x - radius:g} {y:g}{arc} {2 * radius:g} 0{arc} {-2 * radius:g} 0"


def arcs(seed: Seed, height: int, accent: str, second: str) -> str:
    """Quarter discs turned at random on a grid."""
    side = _side(height)
    turns = (
        f"h{side}a{side} {side} 0 0 1-{side} {side}z",
        f"m{side} 0v{side}a{side} {side} 0 0 1-{side}-{side}z",
        f"m0 {side}v-{side}a{side} {side} 0 0 1 {side} {side}z",
        f"m{side} {side}h-{side}a{side} {side} 0 0 1 {side}-{side}z",
    )
    drawn: tuple[list[str], list[str]] = ([], [])
    for y in range(0, height, side):
        for x in range(0, WIDTH, side):
            pick = seed.below(5)
            if pick < 4:
                drawn[pick % 2].append(f"M{x} {y}{turns[seed.below(4)]}")
    return _path(drawn[0], accent) + _path(drawn[1], second)


def quilt(seed: Seed, height: int, accent: str, second: str) -> str:
    """Triangles mirrored about the middle, like patchwork."""
    side = 100 if height == 600 else 50
    columns = WIDTH // side
    shapes = (
        f"h{side}v{side}z",
        f"h{side}l-{side} {side}z",
        f"v{side}h{side}z",
        f"m{side} 0v{side}h-{side}z",
    )
    mirrored = (1, 0, 3, 2)
    drawn: tuple[list[str], list[str]] = ([], [])
    for y in range(0, height, side):
        for column in range((columns + 1) // 2):
            colour, shape = seed.below(3), seed.below(4)
            if colour == 2:
                continue
            drawn[colour].append(f"M{column * side} {y}{shapes[shape]}")
            if (other := columns - 1 - column) != column:
                drawn[colour].append(f"M{other * side} {y}{shapes[mirrored[shape]]}")
    return _path(drawn[0], accent) + _path(drawn[1], second)


def stripes(seed: Seed, height: int, accent: str, second: str) -> str:
    """Slanted bars of growing width behind one disc."""
    lean = (-120, 120, 0)[seed.below(3)]
    bars, x, width = [], -140.0, 4.0
    while x < WIDTH + 140:
        bars.append(f"M{x:g} 0h{width:g}l{lean} {height}h{-width:g}z")
        x += width + 20
        width += 2.5
    radius = 60 + seed.below(40)
    disc = _disc(110 + seed.below(180), height * (0.3 + seed.below(40) / 100), radius)
    return _path(bars, second) + _path([disc], accent)


def dots(seed: Seed, height: int, accent: str, second: str) -> str:
    """A field of discs that swell away from one point; a disc is a round cap on a stroke of no length."""
    centre_x, centre_y = seed.below(WIDTH), seed.below(height)
    drawn: dict[tuple[str, int], list[str]] = {}
    step = height / max(1, height // 50)
    for row in range(round(height / step)):
        y = round(step * (row + 0.5))
        for column, x in enumerate(range(25, WIDTH, 50)):
            distance = ((x - centre_x) ** 2 + (y - centre_y) ** 2) ** 0.5
            diameter = 8 + 6 * round(6 * min(1.0, distance / 380))
            colour = accent if (row + column) % 3 == 0 else second
            drawn.setdefault((colour, diameter), []).append(f"M{x} {y}h0")
    return "".join(
        f'<path stroke="{colour}" stroke-width="{diameter}" stroke-linecap="round" d="{"".join(data)}"/>'
        for (colour, diameter), data in drawn.items()
    )


def waves(seed: Seed, height: int, accent: str, second: str) -> str:
    """Lines of a swell, and a sun or a moon."""
    amplitude, gap = 8 + seed.below(12), 22 + seed.below(8)
    start = int(height * (0.3 + seed.below(20) / 100))
    lines = []
    for index, y in enumerate(range(start, height + gap, gap)):
        phase = -100 if index % 2 else -150
        lines.append(f"M{phase} {y}q25-{amplitude * 2} 50 0" + "t50 0" * 12)
    disc = _disc(90 + seed.below(220), start - 10 - seed.below(30), 44 + seed.below(26))
    return _path([disc], accent) + _stroke(lines, second, 7)


def mountains(seed: Seed, height: int, accent: str, second: str) -> str:
    """Ridges one behind the other under a low disc."""
    disc = _disc(100 + seed.below(200), height * 0.3, 40 + seed.below(30))
    layers = [_path([disc], accent)]
    for depth in range(3):
        base = height * (0.45 + 0.16 * depth)
        points, x = [f"M-10 {height}V{base:g}"], -10
        while x < WIDTH + 10:
            x += 40 + seed.below(60)
            points.append(f"L{x} {base - 50 + seed.below(100):g}")
        points.append(f"V{height}z")
        opacity = (0.35, 0.6, 0.9)[depth]
        layers.append(f'<path fill="{second}" fill-opacity="{opacity}" d="{"".join(points)}"/>')
    return "".join(layers)


def leaves(seed: Seed, height: int, accent: str, second: str) -> str:
    """Stems with leaves in pairs, growing from the lower edge."""
    stems: list[str] = []
    drawn: tuple[list[str], list[str]] = ([], [])
    for index, x in enumerate((70, 200, 330)):
        top = 20 + seed.below(max(1, height // 3))
        stems.append(f"M{x} {height}V{top}")
        length, rise = 44 + seed.below(14), 22 + seed.below(16)
        for y in range(height - 20, top + 20, -46):
            for side in (-1, 1):
                reach = side * length
                upper = f"q{reach * 0.3:.0f} {-rise * 1.5:.0f} {reach} {-rise}"
                lower = f"q{-reach * 0.25:.0f} {rise * 1.2:.0f} {-reach} {rise}"
                drawn[index % 2].append(f"M{x} {y}{upper}{lower}z")
        drawn[index % 2].append(f"M{x} {top - 16}q14 18 0 40q-14-22 0-40z")
    return _stroke(stems, accent, 3) + _path(drawn[0], second) + _path(drawn[1], accent)


def rays(seed: Seed, height: int, accent: str, second: str) -> str:
    """Wedges from one point, and the disc that they leave."""
    x, y = 80 + seed.below(240), height * (0.35 + seed.below(45) / 100)
    count = 12 + 2 * seed.below(6)
    wedges = []
    for index in range(count):
        start, end = (2 * pi * (index + part) / count for part in (0, 0.5))
        wedges.append(
            f"M{x:g} {y:g}L{x + 900 * cos(start):.0f} {y + 900 * sin(start):.0f}"
            f"L{x + 900 * cos(end):.0f} {y + 900 * sin(end):.0f}z"
        )
    return _path(wedges, second) + _path([_disc(x, y, 50 + seed.below(40))], accent)


def orbits(seed: Seed, height: int, accent: str, second: str) -> str:
    """Circles about a centre, each with its body."""
    x, y = 120 + seed.below(160), height * (0.35 + seed.below(30) / 100)
    circles, bodies = [], [_disc(x, y, 22)]
    for index in range(1, 8):
        radius = 22 + index * 38
        circles.append(_disc(x, y, radius))
        angle = 2 * pi * seed.below(360) / 360
        bodies.append(
            _disc(round(x + radius * cos(angle)), round(y + radius * sin(angle)), 5 + seed.below(10))
        )
    return _stroke(circles, second, 3) + _path(bodies, accent)


def arches(seed: Seed, height: int, accent: str, second: str) -> str:
    """A colonnade: nested arches on as many storeys as fit."""
    columns = 2 + seed.below(2)
    bay = WIDTH / columns
    storey = (bay * 1.15, bay * 1.45)[seed.below(2)]
    drawn: tuple[list[str], list[str]] = ([], [])
    foot = float(height)
    while foot > 0:
        for column in range(columns):
            for ring, share in enumerate((0.44, 0.34, 0.24, 0.13)):
                radius, middle = bay * share, bay * (column + 0.5)
                top = foot - storey + bay * 0.5
                arc = f"a{radius:.1f} {radius:.1f} 0 0 1 {2 * radius:.1f} 0"
                drawn[ring % 2].append(f"M{middle - radius:.1f} {foot:.1f}V{top:.1f}{arc}V{foot:.1f}")
        foot -= storey
    return _stroke(drawn[0], second, 7) + _stroke(drawn[1], accent, 4)


def meander(seed: Seed, height: int, accent: str, second: str) -> str:
    """Bands of the Greek key between rules, and plain courses between the bands."""
    unit = (10, 8)[seed.below(2)]
    band = unit * 5
    rules: list[str] = []
    keys: list[str] = []
    key = f"v-{4 * unit}h{4 * unit}v{3 * unit}h-{2 * unit}v-{unit}h{unit}"
    y = 24
    while y < height:
        rules.append(f"M0 {y - unit}h400M0 {y + band}h400")
        floor = y + 4 * unit
        keys.extend(f"M{x} {floor}{key}M{x} {floor}h{band}" for x in range(-unit, WIDTH, band))
        y += band + (70, 50, 90)[seed.below(3)]
    return _stroke(rules, second, 4) + _stroke(keys, accent, unit * 0.45)

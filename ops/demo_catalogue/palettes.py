"""Colours and motifs by subject, so that a shelf of one subject looks like one."""

from __future__ import annotations

from dataclasses import dataclass

from ops.demo_catalogue.patterns import (
    Motif,
    arches,
    arcs,
    dots,
    leaves,
    meander,
    mountains,
    orbits,
    quilt,
    rays,
    stripes,
    waves,
)


@dataclass(frozen=True)
class Palette:
    """Five colours: `ink` is read on `paper`, `paper` is read on `ground`; the accents carry no text."""

    ground: str
    ink: str
    accent: str
    second: str
    paper: str


@dataclass(frozen=True)
class Family:
    """What the covers of one subject choose from."""

    palettes: tuple[Palette, ...]
    motifs: tuple[Motif, ...]


_CLASSIC = Family(
    (
        Palette("#1f3a4d", "#1b2a34", "#e0a458", "#c8553d", "#f6efe2"),
        Palette("#5b2333", "#3a1722", "#d9a5a0", "#e8c07d", "#f8f1e7"),
        Palette("#2f4b3c", "#1f3128", "#a9bf9a", "#e3b859", "#f5f1e3"),
        Palette("#3b3561", "#29254a", "#e58f65", "#b8b3d9", "#f5f0ec"),
        Palette("#6b4423", "#3f2817", "#e2b16a", "#8fa69a", "#f7efe0"),
        Palette("#264653", "#1d333c", "#e76f51", "#e9c46a", "#faf4e6"),
        Palette("#7a2e2e", "#431a1a", "#e6b89c", "#9cafb7", "#f8f3ea"),
    ),
    (arcs, quilt, leaves, stripes, dots, waves, arches, mountains),
)
_ANCIENT = Family(
    (
        Palette("#8c3b1f", "#33180d", "#1f1a17", "#e0a15e", "#f5e8d3"),
        Palette("#2b2622", "#2b2622", "#c4622d", "#d9b382", "#f3e7d1"),
        Palette("#2d4a5e", "#1e323f", "#d6b370", "#b9552f", "#f4ead6"),
    ),
    (meander, arches, waves),
)

FAMILIES: dict[str, Family] = {
    "FF": Family(
        (
            Palette("#14213d", "#14213d", "#e5b13a", "#b3302b", "#f4efe4"),
            Palette("#24302b", "#1b2521", "#d1b94a", "#8a9a92", "#f1eee2"),
        ),
        (stripes, orbits, arches),
    ),
    "FH": Family((Palette("#1d2b2f", "#182427", "#d9622b", "#7f9aa0", "#f2eee5"),), (stripes, waves, orbits)),
    "FJ": Family(
        (
            Palette("#12435a", "#0f3242", "#f0b95b", "#4f9aa8", "#f8f0dd"),
            Palette("#7a3b12", "#47230c", "#f2c572", "#c8663a", "#faf1de"),
            Palette("#1e4d45", "#15352f", "#efb366", "#7fb5a2", "#f6f0de"),
        ),
        (mountains, waves, rays),
    ),
    "FK": Family(
        (
            Palette("#1e1a26", "#1e1a26", "#8f1d2c", "#6d6480", "#ece6dd"),
            Palette("#20262b", "#1c2226", "#b5472f", "#77858c", "#ece8df"),
        ),
        (mountains, rays, arches, leaves),
    ),
    "FL": Family(
        (
            Palette("#10454f", "#0d343c", "#f29e4c", "#6fb7b0", "#f3f0e4"),
            Palette("#2a2359", "#211b48", "#f26b5e", "#9b8ce0", "#f4f0ea"),
        ),
        (orbits, dots, stripes),
    ),
    "FM": Family(
        (Palette("#274d3d", "#1b362b", "#e4b94f", "#86b08f", "#f6f1df"),), (leaves, mountains, rays)
    ),
    "FN": Family((Palette("#6a2c3e", "#46192a", "#ecb65a", "#b97f8c", "#f8efe2"),), (leaves, rays, waves)),
    "FR": Family((Palette("#8a3145", "#541d2b", "#f0b7a4", "#e6c98f", "#fbf2ea"),), (leaves, arcs, dots)),
    "FU": Family(
        (
            Palette("#8a4b08", "#4a2907", "#f5c244", "#d9532c", "#fcf4df"),
            Palette("#1f5c63", "#16434a", "#f6b93b", "#e55039", "#fbf3e1"),
        ),
        (dots, quilt, arcs),
    ),
    "F": _CLASSIC,
    "DB": _ANCIENT,
    "QDHA": _ANCIENT,
    "NHC": _ANCIENT,
    "DC": Family(
        (
            Palette("#44506b", "#2b3448", "#d9b8a6", "#a9b8cf", "#f6f2ec"),
            Palette("#55644a", "#333d2c", "#d8c68f", "#a7b48f", "#f6f3e6"),
            Palette("#6a4a63", "#422d3e", "#dcb3b8", "#cbb98f", "#f7f1ee"),
            Palette("#2e5a63", "#1d3c42", "#e5c6a0", "#8cb3b0", "#f5f2e9"),
        ),
        (leaves, waves, mountains, dots, orbits),
    ),
    "DD": Family(
        (
            Palette("#7d1d26", "#3d1015", "#e3b04b", "#2a1a1d", "#f8efe0"),
            Palette("#2c1e3a", "#24182f", "#d8a442", "#a13d4c", "#f5eee6"),
        ),
        (arches, rays, quilt, stripes),
    ),
    "DN": Family((Palette("#4d4a2c", "#33311d", "#d7b35a", "#9c6b3f", "#f6f1df"),), (stripes, arcs, leaves)),
    "N": Family((Palette("#5e2a1f", "#3b1a13", "#d9a35c", "#7f8c8d", "#f6eee0"),), (arches, quilt, stripes)),
    "Q": Family(
        (
            Palette("#33475b", "#243341", "#e2c08d", "#8ea6b8", "#f5f1e8"),
            Palette("#3d3d3d", "#2b2b2b", "#d8b26e", "#a3a3a3", "#f4f1ea"),
        ),
        (orbits, arcs, quilt),
    ),
    "J": Family((Palette("#8e2a23", "#4a1613", "#2f2a28", "#e7b97a", "#f8f0e3"),), (stripes, quilt, rays)),
    "K": Family((Palette("#1f4b3f", "#16352d", "#d6b25e", "#8fb1a3", "#f5f1e2"),), (quilt, stripes, dots)),
    "P": Family(
        (
            Palette("#123f6b", "#0e2e4e", "#f0c05a", "#7fb0d6", "#f1f1e8"),
            Palette("#1f4f4a", "#163834", "#f2a65a", "#8cc0b4", "#f3f2e6"),
        ),
        (orbits, dots, waves),
    ),
    "W": Family(
        (
            Palette("#2f5233", "#203823", "#e6b566", "#8db580", "#f7f2e0"),
            Palette("#1d5266", "#143a49", "#f1bd6c", "#79b1bd", "#f8f2e2"),
        ),
        (mountains, waves, leaves),
    ),
    "Y": Family(
        (
            Palette("#17636b", "#114a50", "#ffc145", "#ef6351", "#fdf5e2"),
            Palette("#8c3a5b", "#5c2239", "#ffd166", "#6fb1a0", "#fdf3e7"),
            Palette("#2f4f9d", "#22397a", "#ffc857", "#f2766b", "#fbf5e6"),
        ),
        (rays, dots, arcs, mountains, leaves),
    ),
}


def family(subject_code: str) -> Family:
    """The family of the longest prefix of a Thema code; general fiction's for a code that has none."""
    for length in range(len(subject_code), 0, -1):
        found = FAMILIES.get(subject_code[:length])
        if found is not None:
            return found
    return _CLASSIC

"""The built shop, as `npm run build` left it in web/dist: read once, and again when it was built anew."""

import gzip
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[3] / "web" / "dist"
COMPRESSED: Final = frozenset({".css", ".html", ".js", ".svg"})
MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
HEAD_END: Final = "</head>"
BODY_END: Final = "</body>"
MAIN: Final = '<main id="page">'


@dataclass(frozen=True, slots=True)
class File:
    """A file of the build: its bytes, gzipped ones where that makes them smaller, and its validator."""

    body: bytes
    gzipped: bytes | None
    media_type: str
    etag: str

    @classmethod
    def of(cls, body: bytes, suffix: str) -> "File":
        """A file with this content. Raises KeyError for a suffix that no browser of ours is to load."""
        packed = gzip.compress(body, 9, mtime=0) if suffix in COMPRESSED else None
        smaller = packed if packed is not None and len(packed) < len(body) else None
        return cls(body, smaller, MEDIA_TYPES[suffix], f'"{blake2b(body, digest_size=9).hexdigest()}"')


@dataclass(frozen=True, slots=True)
class Build:
    """The shop's page and the files that it loads, by their path below the build's folder."""

    page: str
    files: dict[str, File]


def built(folder: Path | None = None) -> Build | None:
    """The build in a folder, web/dist by default; None where there is none."""
    where = folder or FOLDER
    try:
        changed_at = (where / "index.html").stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _read(where, changed_at)


@lru_cache(maxsize=2)
def _read(folder: Path, _changed_at: int) -> Build:
    page = (folder / "index.html").read_text("utf-8")
    if any(mark not in page for mark in (HEAD_END, BODY_END, MAIN)):
        raise ValueError(f"{folder / 'index.html'} is no page of the shop: run `npm run build` in web/")
    files = {
        path.relative_to(folder).as_posix(): File.of(path.read_bytes(), path.suffix)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in MEDIA_TYPES and path.name != "index.html"
    }
    return Build(page, files)

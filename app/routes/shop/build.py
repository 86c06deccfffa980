"""The built shop, as `npm run build` left it in web/dist: read once, and again when it was built anew."""

import gzip
import json
from collections.abc import Mapping
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


class Texts:
    """What the shop says, from web/src/messages: the build leaves it in texts.json."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __call__(self, key: str, **values: str) -> str:
        """The text of that key, its values filled in. Without a build it is the key: nobody reads it then."""
        text = self._texts.get(key, key)
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text


@dataclass(frozen=True, slots=True)
class Build:
    """The shop's page, its texts, and the files that it loads, by their path below the build's folder."""

    page: str
    say: Texts
    files: dict[str, File]


def built(folder: Path | None = None) -> Build | None:
    """The build in a folder, web/dist by default; None where there is none."""
    where = folder or FOLDER
    try:
        changed_at = (where / "index.html").stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _read(where, changed_at)


def texts() -> Texts:
    """The texts of the build, if there is one."""
    build = built()
    return build.say if build is not None else Texts({})


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
    return Build(page, Texts(json.loads((folder / "texts.json").read_text("utf-8"))), files)

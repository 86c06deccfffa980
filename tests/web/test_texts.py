"""What the shop says stands in web/src/messages, and nowhere else."""

import re
from pathlib import Path

from tests.web.conftest import WEB

SOURCES = sorted((WEB / "src").rglob("*.tsx"))
BETWEEN_TAGS = re.compile(r">[^<>{}=;()]*[A-Za-z]{2,}[^<>{}=;()]*</")
ATTRIBUTE = re.compile(r'\b(?:aria-label|placeholder|alt|title|label|hint)="[^"]*[A-Za-z][^"]*"')
IN_THE_PAGE = re.compile(r'>[^<%]*[A-Za-z]{2,}[^<%]*<|(?:aria-label|placeholder)="[^"%]+"')


def literals(path: Path, *patterns: re.Pattern[str]) -> list[str]:
    """What is written in place instead of being named by its key."""
    text = path.read_text("utf-8")
    return [f"{path.name}: {found[0]}" for pattern in patterns for found in pattern.finditer(text)]


def test_components_name_their_texts() -> None:
    """No component holds a text of its own, neither between tags nor in an attribute that people read or hear."""
    assert len(SOURCES) > 20
    assert [each for path in SOURCES for each in literals(path, BETWEEN_TAGS, ATTRIBUTE)] == []


def test_the_page_names_its_texts() -> None:
    """The page that stands before any script takes its texts from the same place when it is built."""
    page = WEB / "index.html"
    assert "%shop.title%" in page.read_text("utf-8")
    assert literals(page, IN_THE_PAGE) == ["index.html: >/docs<"]

"""What the pages say is so: commands exist, links lead somewhere, tables and pictures are the code's own."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from broker.delivery import REASONS
from documents.orders import MOVES, OrderStatus
from ops.cli import app, complete
from ops.instance import QUIRE
from ops.servers import ServerMissing
from ops.servers.mongod import find_mongod
from ops.settings import Settings
from tests.conftest import missing

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md")))
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
SHELLS = ("sh", "bash", "console")
SEPARATORS = (";", "&&", "||", "|", "&")
PLACE = re.compile(r"[A-Z]|<|\.\.\.|…")


def name_of(page: Path) -> str:
    """How a test's id names a page."""
    return str(page.relative_to(ROOT))


def fences(text: str, *languages: str) -> list[str]:
    """The fenced blocks of these languages."""
    return [match[2] for match in FENCE.finditer(text) if match[1] in languages]


def blocks(text: str) -> list[str]:
    """The lines of a page's shell blocks."""
    return [line for block in fences(text, *SHELLS) for line in block.replace("\\\n", " ").splitlines()]


def inline(text: str) -> list[str]:
    """The code within a page's sentences."""
    return INLINE.findall(FENCE.sub("", text))


def commands(lines: Iterable[str]) -> Iterator[list[str]]:
    """Every command of some lines, in words."""
    for line in lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:
            continue  # half of a quotation: one line of a longer text
        start = 0
        for end, word in (*enumerate(words), (len(words), ";")):
            if word in SEPARATORS:
                yield words[start:end]
                start = end + 1


def called(program: str, *sources: Callable[[str], list[str]]) -> list[tuple[str, str]]:
    """(page, words) of every call of a program, once each."""
    calls = {
        (name_of(page), shlex.join(words))
        for page in PAGES
        for source in sources
        for words in commands(source(page.read_text()))
        if len(words) > 1 and words[0] in (program, f".venv/bin/{program}")
    }
    return sorted(calls)


QUIRE_CALLS = called("quire", blocks, inline)
MAKE_CALLS = called("make", blocks, inline)
WRITTEN_OUT = sorted({call for _, call in called("quire", blocks) if not PLACE.search(call)})


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and what is left. Raises KeyError for one that does not exist."""
    command: Any = typer.main.get_command(app)
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        command = command.commands[words[0].rstrip(",")]
        words = words[1:]
    return command, words


@pytest.mark.parametrize(("page", "call"), QUIRE_CALLS)
def test_every_quire_command_exists(page: str, call: str) -> None:
    """Each `quire ...` of the pages names a command and options that there are."""
    words = [word.strip("[]") for word in shlex.split(call)[1:]]
    command, rest = resolve(words)
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    wrong = [
        word for word in rest if word.startswith("--") and word.split("=")[0] not in {*options, "--help"}
    ]
    assert not wrong, f"{page}: quire has no {wrong[0]} there"


@pytest.mark.parametrize("call", WRITTEN_OUT)
def test_every_quire_command_takes_its_words(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that are written out parse, with their arguments; nothing is carried out."""
    monkeypatch.chdir(tmp_path)
    command, rest = resolve(complete(shlex.split(call)[1:]))
    assert not isinstance(command, TyperGroup)
    for word in rest:
        if word.endswith(".csv"):
            Path(word).touch()  # the files of examples are the reader's
    command.make_context("quire", rest)


def test_there_are_calls_to_check() -> None:
    """The pages name the main commands; a parser that finds nothing would pass everything."""
    assert {"quire up --rabbitmq", "quire worker", "quire demo"} <= {call for _, call in QUIRE_CALLS}
    assert {"make run", "make test"} <= {call for _, call in MAKE_CALLS}
    with pytest.raises(KeyError):
        resolve(["fly"])


@pytest.mark.parametrize(("page", "call"), MAKE_CALLS)
def test_every_make_target_exists(page: str, call: str) -> None:
    """Each `make ...` of the pages is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [word for word in shlex.split(call, comments=True)[1:] if "=" not in word]
    assert set(named) <= targets, f"{page}: {call}"


@pytest.mark.parametrize("words", [["--help"], ["up", "--help"], ["topology", "show"]])
def test_harmless_commands_run(words: list[str]) -> None:
    """Help and the topology's table need nothing and end well."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert result.output.strip()


def test_make_lists_its_targets() -> None:
    """`make help` names what the pages name."""
    said = subprocess.run(["make", "-C", ROOT, "help"], check=True, capture_output=True, text=True).stdout
    assert {"setup", "run", "test", "lint"} <= set(re.findall(r"^(\w+)", said, re.MULTILINE))


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link is a file or folder of the repository, and its anchor a heading there."""
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", [page for page in PAGES if DOCS in page.parents], ids=name_of)
def test_every_page_is_in_the_index(page: Path) -> None:
    """docs/README.md links every page and every decision."""
    if page != DOCS / "README.md":
        assert f"]({page.relative_to(DOCS)})" in (DOCS / "README.md").read_text()


def test_decisions_have_numbers_of_their_own() -> None:
    """NNNN-title.md, each number once."""
    assert DECISIONS
    numbers = [path.name[:4] for path in DECISIONS]
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name) for path in DECISIONS)
    assert len(set(numbers)) == len(numbers)


def test_the_settings_table_is_complete() -> None:
    """docs/running.md lists every setting with its default, and no other."""
    section = (DOCS / "running.md").read_text().split("## Settings")[1]
    rows = re.findall(r"^\| `QUIRE_(\w+)` \| (.*?) \|", section, re.MULTILINE)
    listed = {name.lower(): default.strip("`") for name, default in rows}
    assert listed == {
        name: "–" if field.default in (None, "", ()) else str(field.default)
        for name, field in Settings.model_fields.items()
    }


@pytest.mark.parametrize("page", ["actors.md", "dead-letters.md", "telemetry.md"])
def test_every_reason_of_a_dead_letter_is_named(page: str) -> None:
    """Whoever reads one in the console finds it on the page."""
    named = set(inline((DOCS / page).read_text("utf-8")))
    assert set(REASONS) <= named


def test_the_picture_of_an_order_s_states_is_the_table_of_its_moves() -> None:
    """README's state diagram has exactly the moves that documents/orders.py allows."""
    (picture,) = [
        block for block in fences((ROOT / "README.md").read_text(), "mermaid") if "stateDiagram" in block
    ]
    drawn = set(re.findall(r"^\s*(\S+) --> ([^\s:]+)", picture, re.MULTILINE))
    moves = {(str(start), str(end)) for start, ends in MOVES.items() for end in ends}
    ends = {(str(start), "[*]") for start, ends in MOVES.items() if not ends}
    # A delivered order may rest as it is: its refund is the exception.
    assert drawn == moves | ends | {("[*]", str(OrderStatus.PLACED)), (str(OrderStatus.DELIVERED), "[*]")}


def test_the_taste_tastes_as_written(tmp_path: Path) -> None:
    """README's purchase, run as it stands against `quire up`, ends in a confirmed order."""
    if shutil.which("curl") is None:
        missing(ServerMissing("curl is not on PATH, which README's example calls"))
    try:
        find_mongod()
    except ServerMissing as error:
        missing(error)
    (script,) = [block for block in fences((ROOT / "README.md").read_text(), "sh") if "curl" in block]
    up = [*QUIRE, "up", "--port", "0", "--data", str(tmp_path / "data")]
    with subprocess.Popen(up, cwd=ROOT, stdout=subprocess.PIPE, text=True) as shop:
        try:
            assert shop.stdout is not None
            said = shop.stdout.readline()
            url = said.rpartition(" ")[2].strip()
            assert url.startswith("http://127.0.0.1:"), said
            # The stream of events stays open until its reader goes: here, after two seconds.
            there = script.replace("http://127.0.0.1:8000", url).replace("curl -sN", "curl -sN --max-time 2")
            bought = subprocess.run(
                ["/bin/sh", "-c", there],
                capture_output=True,
                check=False,
                text=True,
                timeout=60,
                env={"PATH": os.environ["PATH"]},
            )
        finally:
            shop.send_signal(signal.SIGTERM)
    assert re.findall(r'"status":"(\w+)","at"', bought.stdout)[-2:] == ["placed", "confirmed"], bought
    assert shop.returncode == 0

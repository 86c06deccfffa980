"""The command line: what goes wrong is one sentence that says what to do, and an exit code."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.cli.root import app


def run(*words: str, text: str | None = None, **environment: str) -> Result:
    """One call of `quire`."""
    return CliRunner().invoke(
        app, words, input=text, env={"QUIRE_TOKEN": None, "QUIRE_URL": None, **environment}
    )


@pytest.mark.parametrize(
    "words",
    [("demo",), ("dead", "ls"), ("import", __file__, "--format", "csv")],
    ids=["demo", "dead", "import"],
)
def test_a_system_elsewhere_needs_a_token(words: tuple[str, ...]) -> None:
    """Before anything is sent, what is missing is named, with the two ways to give it."""
    result = run(*words, "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "QUIRE_TOKEN" in result.stderr
    assert "--token" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("words", [("dead", "ls"), ("check",), ("trace", "o"), ("topology", "check")])
def test_where_nothing_runs_the_folder_is_named(words: tuple[str, ...], tmp_path: Path) -> None:
    """A command that needs an instance says which folder has none, and how one is started."""
    result = run(*words, "--data", str(tmp_path / "nowhere"))
    assert result.exit_code == 1
    assert "nowhere" in result.stderr
    assert "quire up --data" in result.stderr

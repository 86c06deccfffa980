"""Installing: which Python the environment is made with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(folder: Path, micros: int, *, venv: bool = True) -> Path:
    """A Python that says how long the little work took it; without `venv` it lacks the module."""
    folder.mkdir()
    python = folder / "python3.11"
    lacks = "" if venv else 'case "$*" in *ensurepip*) exit 1 ;; esac\n'
    python.write_text(
        f'#!/bin/sh\n{lacks}case "$*" in *timeit*) echo {micros} ;; *) exec {sys.executable} "$@" ;; esac\n'
    )
    python.chmod(0o755)
    return python


def chosen(tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """What the script says, with the builds in `tmp_path` before everything else."""
    path = ":".join([*(str(each) for each in sorted(tmp_path.iterdir())), os.environ["PATH"]])
    return subprocess.run(
        [ROOT / "ops/install/python.sh"],
        env={name: value for name, value in os.environ.items() if name != "PYTHON"} | {"PATH": path} | more,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("first", "second", "which"), [(10, 5, 1), (5, 10, 0), (10, 10, 0)])
def test_the_fastest_build_is_taken_and_the_first_of_equals(
    tmp_path: Path, first: int, second: int, which: int
) -> None:
    """Real builds take longer than these say."""
    builds = [build(tmp_path / "a", first), build(tmp_path / "b", second)]
    assert chosen(tmp_path).stdout.strip() == str(builds[which])


def test_a_build_without_venv_is_passed_over_however_fast(tmp_path: Path) -> None:
    """Debian splits it off."""
    build(tmp_path / "a", 1, venv=False)
    slow = build(tmp_path / "b", 2)
    assert chosen(tmp_path).stdout.strip() == str(slow)


def test_a_python_that_is_named_is_taken_or_refused(tmp_path: Path) -> None:
    """Not replaced by a better one in silence."""
    build(tmp_path / "a", 1)
    named = build(tmp_path / "b", 9)
    assert chosen(tmp_path, PYTHON=str(named)).stdout.strip() == str(named)
    refused = chosen(tmp_path, PYTHON="/nowhere/python")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "/nowhere/python" in refused.stderr

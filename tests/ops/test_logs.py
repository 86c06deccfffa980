"""Logs: where lines go."""

import io
import json
import sys
from collections.abc import Iterator

import pytest
import structlog

from ops.logs import configure


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The tests' own set-up comes back."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_a_logger_outlives_the_stderr_that_it_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that was run inside another program leaves loggers behind: they write to the stderr of the moment."""
    first, second = io.StringIO(), io.StringIO()
    log = structlog.get_logger("kept")
    monkeypatch.setattr(sys, "stderr", first)
    configure("info")
    log.info("one")
    first.close()
    monkeypatch.setattr(sys, "stderr", second)
    log.info("two")
    assert json.loads(second.getvalue())["event"] == "two"

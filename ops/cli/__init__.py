"""The command line: `quire`."""

import sys
from collections.abc import Sequence

from ops.cli.root import app

WITH_OPTIONAL_VALUE = {"--rabbitmq": "local"}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code."""
    app(args=complete(list(sys.argv[1:] if argv is None else argv)), prog_name="quire")


def complete(args: list[str]) -> list[str]:
    """Options whose value may be left out (`--rabbitmq [URL]`) get their default value."""
    done: list[str] = []
    for position, arg in enumerate(args):
        done.append(arg)
        following = args[position + 1] if position + 1 < len(args) else "--"
        if arg in WITH_OPTIONAL_VALUE and (following.startswith("-") or "://" not in following):
            done.append(WITH_OPTIONAL_VALUE[arg])
    return done


__all__ = ["app", "main"]

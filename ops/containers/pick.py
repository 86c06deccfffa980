"""Picks some packages from requirements.lock with their hashes, so that an image installs those and no others.

    python pick.py requirements.lock NAME...     those packages
    python pick.py requirements.lock -           those on standard input, one `name==version` a line

The lock serves development and the embedded database too; an image needs neither. Standard library only: it runs before
anything is installed.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

ENTRY = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;\\]+)")


class NotLocked(Exception):
    """A package, or its version, is not in the lock."""


def pick(lock: str, wanted: Iterable[str]) -> str:
    """The lock's entries for `wanted` (`name` or `name==version`), hashes and markers as they stand.

    A package may stand there in several versions, each for some machines: a bare name picks them all, and their
    markers decide at the installation. Raises `NotLocked`.
    """
    entries: dict[str, dict[str, list[str]]] = {}
    lines: list[str] = []
    for line in lock.splitlines():
        if (entry := ENTRY.match(line)) is not None:
            lines = entries.setdefault(normal(entry["name"]), {}).setdefault(entry["version"], [])
        lines.append(line)
    picked: list[str] = []
    for each in wanted:
        name, _, version = each.partition("==")
        locked = entries.get(normal(name), {})
        chosen = [locked[version]] if version in locked else [] if version else list(locked.values())
        if not chosen:
            there = f"it has {', '.join(locked)}" if locked else "it has no such package"
            raise NotLocked(f"{each} is not in the lock, {there}: run make lock")
        picked.extend(line for lines in chosen for line in lines)
    return "\n".join(picked) + "\n"


def normal(name: str) -> str:
    """A package's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(arguments: list[str]) -> int:
    """Exit status 0, 1 where the lock lacks something, 2 for wrong arguments."""
    if len(arguments) < 2:
        sys.stderr.write("usage: python pick.py LOCK NAME... | -\n")
        return 2
    path, *wanted = arguments
    if wanted == ["-"]:
        wanted = [entry[0] for line in sys.stdin if (entry := ENTRY.match(line)) is not None]
    try:
        sys.stdout.write(pick(Path(path).read_text(), wanted))
    except NotLocked as error:
        sys.stderr.write(f"pick: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

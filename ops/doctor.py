"""What a machine has for Quire: each finding a sentence that says what to do where something is missing."""

import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from ops.instance import NoInstance, find
from ops.servers import ServerMissing
from ops.servers.mongod import find_mongod

DISK_FREE_MIN = 2 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact; `needed`: without it `quire up` does not run."""

    well: bool
    text: str
    needed: bool = False


def examine(data: Path) -> list[Finding]:
    """Looks at this machine and at a data folder. Starts nothing and changes nothing."""
    return [_python(), _mongod(), *_optional(), _disk(data), _instance(data)]


def _python() -> Finding:
    well = sys.version_info >= (3, 11)
    return Finding(
        well,
        f"Python {platform.python_version()}" + ("" if well else ": 3.11 or newer is needed"),
        needed=True,
    )


def _mongod() -> Finding:
    try:
        return Finding(True, f"mongod: {find_mongod()}", needed=True)
    except ServerMissing as error:
        return Finding(False, str(error), needed=True)


def _optional() -> list[Finding]:
    findings = []
    for program, use, package in (
        ("rabbitmq-server", "quire up --rabbitmq", "rabbitmq-server"),
        ("redis-server", "the tests and the benchmarks", "redis-server"),
        ("node", "building the shop", "nodejs"),
    ):
        place = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
        text = f"{program}: {place}" if place else f"no {program} ({use}): install the package {package}"
        findings.append(Finding(place is not None, text))
    return findings


def _disk(data: Path) -> Finding:
    folder = data.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding(
        free >= DISK_FREE_MIN,
        f"{free >> 30} GiB free at {folder}" + ("" if free >= DISK_FREE_MIN else ": 2 are needed"),
        needed=True,
    )


def _instance(data: Path) -> Finding:
    try:
        instance = find(data)
    except NoInstance as error:
        return Finding(True, str(error))
    return Finding(True, f"an instance runs on {data}: {instance.url} (process {instance.pid})")

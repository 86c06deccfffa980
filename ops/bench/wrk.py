"""wrk: a load generator in C that costs a tenth of what Python's do (https://github.com/wg/wrk; Debian has it).

It keeps a closed loop: each connection sends its next request once the last one is answered.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ops.bench.figures import WentWrong
from ops.servers import ServerMissing

SCRIPT = Path(__file__).with_name("wrk.lua")
GRACE_S = 30.0


class Wrk(msgspec.Struct):
    """What wrk says at its end. `wrong`: answers of status 400 and above; `broken`: connections, reads, time-outs."""

    requests: int
    duration_us: int
    wrong: int
    broken: int
    latency_us: dict[str, float]
    curve_us: list[float]

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return self.duration_us / 1e6

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds


def find_wrk() -> str:
    """The program. Raises `ServerMissing` saying how to get it."""
    found = shutil.which("wrk")
    if found is None:
        raise ServerMissing(
            "wrk is not on this machine: `make servers` installs it on Debian as root, or put it on PATH"
        )
    return found


async def wrk(url: str, requests: Iterable[bytes], *, connections: int, seconds: float) -> Wrk:
    """Sends these requests round and round over so many connections, from one thread.

    Raises `WentWrong` where an answer was an error, for a figure of refusals is none, and `ServerMissing`.
    """
    with tempfile.NamedTemporaryFile(prefix="quire-wrk-") as file:
        for each in requests:
            file.write(b"%d\n%s" % (len(each), each))
        file.flush()
        command = (
            *(find_wrk(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"),
            *("-s", str(SCRIPT), url, "--", file.name, "1"),
        )
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(seconds + GRACE_S):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return read(output)


def read(output: bytes) -> Wrk:
    """The last line of what wrk printed. Raises `WentWrong` where it says that answers were wrong, or nothing."""
    try:
        said = msgspec.json.decode(output.strip().rpartition(b"\n")[2], type=Wrk)
    except msgspec.DecodeError as error:
        raise WentWrong(f"wrk said: {output[-500:].decode(errors='replace')}") from error
    if said.wrong or said.broken:
        raise WentWrong(
            f"wrk counted {said.wrong} answers of status 400 and above and {said.broken} broken ones"
            f" among {said.requests}"
        )
    return said

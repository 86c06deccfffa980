"""A file on its way in: read as a whole before the first command leaves, so that nothing of a bad file is taken."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import BinaryIO, cast

import anyio.to_thread
import msgspec

from app.feeds import Defaults, Row, Skipped, parse
from broker.messages import PutBook
from documents.catalog import SKIPPED_KEPT_MAX, SkippedRow

IN_MEMORY_BYTES_MAX = 1 << 20
FILE_BYTES_MAX = 256 << 20
CHUNK_ROWS = 500


class FileTooLarge(Exception):
    """The file is larger than one import takes."""

    def __init__(self) -> None:
        super().__init__(f"a file may have {FILE_BYTES_MAX >> 20} MiB: split it, or send it row by row")


@dataclass(slots=True)
class Received:
    """A file that is here, and its SHA-256 in hex."""

    stream: BinaryIO
    sha256: str


@dataclass(slots=True)
class Commands:
    """The rows that became commands, on disk where they are many, and those that did not."""

    spool: BinaryIO
    rows: int = 0
    skipped_count: int = 0
    skipped: list[SkippedRow] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[int, PutBook]]:
        """Line and command, in the file's order."""
        self.spool.seek(0)
        decoder = msgspec.json.Decoder(tuple[int, PutBook])
        for line in self.spool:
            yield decoder.decode(line)


@asynccontextmanager
async def received(chunks: AsyncIterator[bytes]) -> AsyncIterator[Received]:
    """The whole of a body, in memory or in a temporary file that is gone afterwards. Raises `FileTooLarge`."""
    digest = sha256()
    size = 0
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES_MAX) as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > FILE_BYTES_MAX:
                raise FileTooLarge
            digest.update(chunk)
            await anyio.to_thread.run_sync(file.write, chunk)
        file.seek(0)
        yield Received(cast("BinaryIO", file), digest.hexdigest())


@asynccontextmanager
async def commands_of(stream: BinaryIO, format: str, defaults: Defaults) -> AsyncIterator[Commands]:  # noqa: A002
    """Every row of a file, read in a thread. Raises `FeedError` where the file as a whole cannot be read."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES_MAX) as spool:
        commands = Commands(cast("BinaryIO", spool))
        await anyio.to_thread.run_sync(_read, parse(stream, format, defaults), commands)
        yield commands


def _read(rows: Iterator[Row | Skipped], commands: Commands) -> None:
    encoder = msgspec.json.Encoder()
    for row in rows:
        if isinstance(row, Row):
            commands.rows += 1
            commands.spool.write(encoder.encode((row.line, row.command)) + b"\n")
            continue
        commands.skipped_count += 1
        if len(commands.skipped) < SKIPPED_KEPT_MAX:
            commands.skipped.append(SkippedRow(line=row.line, reason=row.reason, text=row.text))

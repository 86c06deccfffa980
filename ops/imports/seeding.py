"""The first titles of an empty catalogue, by the same commands as any others."""

import asyncio
from collections.abc import Iterable
from hashlib import sha256
from typing import BinaryIO, cast

import msgspec

from app.feeds import Defaults, Row, parse
from app.imports import Counts, counts, numbered, send_all
from broker.messages import PutBook, Sender
from broker.publish import Publisher
from documents.terms import Terms
from ops.demo_catalogue import books_jsonl

POLL_EVERY_S = 0.05
SEEDER = Sender("system:catalogue")


async def load_directly(
    books: Iterable[PutBook], publisher: Publisher, *, timeout_s: float = 120.0
) -> Counts:
    """Puts titles into the catalogue without an edge, and returns once every one is through.

    For the first start of an empty instance. The ids of the commands derive from their content, so a start that was
    cut off is made good for by the next one, and one more changes nothing.

    Raises:
        TimeoutError: not every command has its receipt within `timeout_s`.
        NotAllSent: the broker stopped taking commands.
    """
    commands = tuple(books)
    digest = sha256()
    for command in commands:
        digest.update(msgspec.json.encode(command))
    import_id = f"seed-{digest.hexdigest()[:24]}"
    async with asyncio.timeout(timeout_s):
        if (found := await counts(import_id)).done >= len(commands):
            return found
        await send_all(numbered(commands), import_id, SEEDER, publisher)
        return await _all_through(import_id, len(commands))


async def _all_through(import_id: str, rows: int) -> Counts:
    while True:
        found = await counts(import_id)
        if found.done >= rows:
            return found
        await asyncio.sleep(POLL_EVERY_S)


async def seed(publisher: Publisher) -> Counts:
    """Puts the demo catalogue in: the shelves of a shop that was just opened. See `load_directly`."""
    with books_jsonl().open("rb") as stream:
        rows = list(parse(cast("BinaryIO", stream), "jsonl", Defaults(currency=Terms().currency)))
    return await load_directly((row.command for row in rows if isinstance(row, Row)), publisher)

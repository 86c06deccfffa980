"""Bringing titles in: the client behind `quire import`, and the seeding of an empty catalogue.

report = await run_import(path, url="http://127.0.0.1:8000", token=token, price="12.99", stock=20)
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from app.feeds import FeedError, format_of
from app.routes.imports import ImportView
from ops.imports.report import print_report

CHUNK_BYTES = 1 << 16
POLL_EVERY_S = 0.25
ATTEMPTS_MAX = 5
RETRY_WAIT_S_MAX = 5.0
STALLED_S = 120.0  # without a single row that went through: something is wrong that waiting does not mend


class ImportFailed(Exception):
    """The import did not come to its end; the text says why and what to do."""


class _TryAgain(Exception):
    """The edge or the broker is away for the moment."""


async def run_import(
    file: Path,
    *,
    url: str,
    token: str,
    format: str | None = None,  # noqa: A002
    price: str | None = None,
    stock: int | None = None,
    report: Path | None = None,
    console: Console | None = None,
    client: httpx.AsyncClient | None = None,
) -> ImportView:
    """Sends a file to a running Quire, follows it with progress bars, and prints what became of its rows.

    Args:
        url: of the edge, without /v1. Not used where a `client` is passed, whose base URL counts.
        token: of an account with the role staff, or the operator's.
        price: of rows that name none, as a decimal amount of the shop's currency.
        stock: copies of titles that were never counted.
        report: a file for everything that is said, as JSON.

    Raises:
        ImportFailed: the file cannot be read, Quire refused it or went away. Sending the file again is safe.
    """
    console = console or Console()
    options = _options(file, format, price, stock)
    if client is not None:
        return await _run(client, token, file, options, report, console)
    async with httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(30, read=300)) as own:
        return await _run(own, token, file, options, report, console)


def _options(file: Path, format: str | None, price: str | None, stock: int | None) -> dict[str, str]:  # noqa: A002
    if not file.is_file():
        raise ImportFailed(f"{file} is no file")
    try:
        options = {"filename": file.name, "format": format or format_of(file.name)}
    except FeedError as error:
        raise ImportFailed(str(error)) from error
    if price is not None:
        options["price"] = price
    if stock is not None:
        options["stock"] = str(stock)
    return options


async def _run(
    client: httpx.AsyncClient,
    token: str,
    file: Path,
    options: dict[str, str],
    report: Path | None,
    console: Console,
) -> ImportView:
    # One key for all tries: a second one finds the first, or does the same again.
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}
    with _bars(console) as bars:
        sending = bars.add_task("Sending", total=file.stat().st_size, unit="bytes")
        view = await _upload(client, headers, file, options, bars, sending)
        bars.update(sending, completed=file.stat().st_size)
        applying = bars.add_task("Applying", total=view.rows or None, unit="rows")
        view = await _follow(client, headers, view, bars, applying)
        bars.update(applying, total=max(view.rows, 1), completed=max(view.done, 1))
    if report is not None:
        text = json.dumps(msgspec.to_builtins(view), indent=2, ensure_ascii=False)
        await anyio.Path(report).write_text(text + "\n", encoding="utf-8")
    print_report(view, console, report)
    return view


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        console=console,
    )


async def _upload(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    file: Path,
    options: dict[str, str],
    bars: Progress,
    bar: TaskID,
) -> ImportView:
    async def chunks() -> AsyncIterator[bytes]:
        bars.reset(bar)
        async with await anyio.open_file(file, "rb") as source:
            while chunk := await source.read(CHUNK_BYTES):
                yield chunk
                bars.advance(bar, len(chunk))

    size = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
    try:
        async for attempt in _attempts():
            with attempt:
                answer = await _ask(
                    client.post, "/v1/imports", params=options, headers=headers | size, content=chunks()
                )
                return msgspec.json.decode(answer.content, type=ImportView)
    except _TryAgain as error:
        raise ImportFailed(f"{error}. Run the same command again: nothing is imported twice") from error
    raise AssertionError("tenacity ends by returning or raising")


async def _follow(
    client: httpx.AsyncClient, headers: dict[str, str], view: ImportView, bars: Progress, bar: TaskID
) -> ImportView:
    where = f"/v1/imports/{view.id}"
    moved_at = time.monotonic()
    while view.status != "finished":
        await asyncio.sleep(POLL_EVERY_S)
        before = view.done
        view = await _read(client, where, headers, details=False)
        bars.update(bar, completed=view.done)
        if view.done != before:
            moved_at = time.monotonic()
        elif time.monotonic() - moved_at > STALLED_S:
            raise ImportFailed(
                f"{view.done} of {view.rows} rows went through, and none for {STALLED_S:.0f} s. The broker has all of "
                f"them: see whether a worker of the group catalog runs, and read {where} later"
            )
    return await _read(client, where, headers, details=True)


async def _read(
    client: httpx.AsyncClient, where: str, headers: dict[str, str], *, details: bool
) -> ImportView:
    try:
        async for attempt in _attempts():
            with attempt:
                answer = await _ask(
                    client.get, where, params={"details": str(details).lower()}, headers=headers
                )
                return msgspec.json.decode(answer.content, type=ImportView)
    except _TryAgain as error:
        raise ImportFailed(
            f"{error}. The rows were accepted and go through all the same: read {where} later"
        ) from error
    raise AssertionError("tenacity ends by returning or raising")


def _attempts() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(_TryAgain),
        wait=wait_random_exponential(multiplier=0.5, max=RETRY_WAIT_S_MAX),
        stop=stop_after_attempt(ATTEMPTS_MAX),
        reraise=True,
    )


async def _ask(method: Any, path: str, **options: Any) -> httpx.Response:
    """The answer to a request. Raises `_TryAgain` for what passes, `ImportFailed` for what does not."""
    try:
        answer: httpx.Response = await method(path, **options)
    except httpx.TransportError as error:
        raise _TryAgain(f"Quire does not answer ({type(error).__name__}: {error})") from error
    if answer.is_success:
        return answer
    said = _said(answer)
    if answer.status_code in (429, 502, 503, 504):
        raise _TryAgain(said)
    raise ImportFailed(said)


def _said(answer: httpx.Response) -> str:
    try:
        problem = msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.DecodeError:
        return f"Quire answered {answer.status_code}"
    return f"Quire answered {answer.status_code} {problem.get('code', '')}: {problem.get('detail', '')}"

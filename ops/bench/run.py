"""One run of the benchmarks: stand, catalogue, warm-up, scenarios, report."""

import asyncio
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import uvloop
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ops.bench.embedded import measure_embedded
from ops.bench.report import Figure, Report, write
from ops.bench.scenarios import Scenario, scenarios
from ops.bench.shoppers import Taken, arrive, closed_loop
from ops.bench.stand import Stand, Usage, stand
from ops.bench.verdict import applied_so_far, until_applied, verify

WARM_UP_S = 3.0
TITLES = 200
COPIES = 1_000_000
PRICE = {"amount": 1299, "currency": "EUR"}
CLIENT_TIMEOUT_S = 60


async def run(*, seconds: float, senders: int, out: Path) -> None:
    """Measures everything, prints a table, writes JSON and plots to `out`.

    Raises `WentWrong` when an answer was not as expected, or when the database does not hold what was promised.
    """
    console = Console()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="quire-bench-", ignore_cleanup_errors=True) as folder,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        task = progress.add_task("starting RabbitMQ, mongod, Redis, an edge and a worker", total=None)
        async with stand(Path(folder)) as on:
            progress.update(task, description="putting a catalogue in")
            isbns = await on.during(_catalogue(on))
            figures = []
            for scenario in scenarios(isbns):
                progress.update(task, description=f"{scenario.name}: {scenario.what}, {senders} shoppers")
                figures.append(await on.during(_measure(on, scenario, senders, seconds)))
            progress.update(task, description="checking that every promise was kept")
            checks = await verify(on)
        progress.update(task, description="the embedded default: start and memory")
        figures.extend(await measure_embedded(Path(folder) / "embedded"))
    report = Report(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        senders=senders,
        seconds=seconds,
        figures=figures,
        checks=checks,
    )
    write(report, out, console)


async def _measure(on: Stand, scenario: Scenario, senders: int, seconds: float) -> Figure:
    """One scenario, after a warm-up, with the processor time of every part."""
    async with _client(on) as http:
        shoppers = await arrive(http, senders)
        await closed_loop(shoppers, scenario.turn, WARM_UP_S)
        applied = await applied_so_far(on, scenario.applies)
        before, begun = on.usage(), time.perf_counter()
        taken = await closed_loop(shoppers, scenario.turn, seconds)
        if scenario.applies is not None:
            await until_applied(on, scenario.applies, applied + len(taken.latencies_s))
            taken.seconds = time.perf_counter() - begun
        after, lasted = on.usage(), time.perf_counter() - begun
    return Figure(
        name=scenario.name,
        what=scenario.what,
        value=taken.rate,
        unit="/s",
        at_least=scenario.at_least,
        latency_ms={f"p{percent:g}": taken.percentile_ms(percent) for percent in (50, 90, 99)},
        cores=_cores(before, after, lasted),
        resident={part: usage.resident for part, usage in after.items()},
        latencies_ms=_sample(taken),
    )


def _cores(before: dict[str, Usage], after: dict[str, Usage], seconds: float) -> dict[str, float]:
    return {part: (after[part].cpu_s - before[part].cpu_s) / seconds for part in before}


def _sample(taken: Taken, most: int = 2000) -> list[float]:
    ordered = sorted(taken.latencies_s)
    step = max(1, len(ordered) // most)
    return [each * 1000 for each in ordered[::step]]


def _client(on: Stand) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        on.url,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=CLIENT_TIMEOUT_S),
    )


async def _catalogue(on: Stand) -> list[str]:
    """Titles with plenty of copies, put in as staff would."""
    from ops.demo_catalogue import demo_books  # noqa: PLC0415 - half a megabyte that only this needs

    books = [book for _, book in zip(range(TITLES), demo_books(), strict=False)]
    headers = {"Authorization": f"Bearer {on.operator_token}", "Prefer": "wait=30"}
    async with _client(on) as http:

        async def put(isbn: str, title: str) -> None:
            body = {"title": title, "price": PRICE}
            async with http.put(f"/v1/books/{isbn}", json=body, headers=headers) as answer:
                answer.raise_for_status()
            async with http.put(
                f"/v1/books/{isbn}/stock", json={"on_hand": COPIES}, headers=headers
            ) as answer:
                answer.raise_for_status()

        await asyncio.gather(*(put(book.isbn, book.title) for book in books))
    return [book.isbn for book in books]


def main(seconds: float, senders: int, out: Path) -> None:
    """The whole run in an event loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(seconds=seconds, senders=senders, out=out))

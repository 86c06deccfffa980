"""One run of the benchmarks: stand, shelf, rounds of everything that was asked for, the check, the report."""

import asyncio
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import uvloop
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ops.bench.embedded import EMBEDDED, measure_embedded
from ops.bench.figures import Figure, Report, WentWrong, medians
from ops.bench.references import REFERENCES
from ops.bench.scenarios import SCENARIOS, WHEN_ASKED, Bench, Load, Scenario
from ops.bench.shoppers import staff
from ops.bench.stand import Layout, Meter, Stand, stand
from ops.bench.targets import rows
from ops.bench.titles import FLASH_TITLE, TITLES, popularity, shelf
from ops.bench.verdict import verify
from ops.garbage import keep_what_stands

COPIES = 1_000_000
PRICE = {"amount": 1299, "currency": "EUR"}
CLERKS = 32
CROWD = 64
SOAK_MINUTES = 15.0

KNOWN: dict[str, Scenario] = {each.name: each for each in (*REFERENCES, *SCENARIOS, *WHEN_ASKED)}
NAMES = (*KNOWN, EMBEDDED)

GATED = ("R1", "R2", "R4", "list", "detail", "cart", "buy", "drain")
GATE_SECONDS = 4.0
GATE_REPEATS = 3
GATE_WAITING = 5_000
GATE_CALM = 0.2
CALM_TRIES = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured and how.

    `names` empty: everything. `rates`: turns a second of open loops; empty: a third of the top rate of the same
    round. `calm`: cores that others may use during a measurement; it is tried again where they use more.
    """

    names: tuple[str, ...] = ()
    seconds: float = 10.0
    warm_up_s: float = 2.0
    repeat: int = 1
    shoppers: tuple[int, ...] = (1, 16, CROWD)
    rates: tuple[float, ...] = ()
    open_loop: bool = True
    layout: Layout = field(default_factory=Layout)
    confirm: str = "events"
    waiting: int = 50_000
    rushing: int = 10_000
    soak_minutes: float = SOAK_MINUTES
    calm: float | None = None
    titles: int = TITLES

    def of_gate(self) -> "Options":
        """The same, cut down to what the regression gate looks at: a few minutes."""
        return replace(
            self,
            names=GATED,
            seconds=GATE_SECONDS,
            repeat=GATE_REPEATS,
            shoppers=(CROWD,),
            open_loop=False,
            waiting=GATE_WAITING,
            calm=GATE_CALM if self.calm is None else self.calm,
        )

    def asked(self) -> list[Scenario]:
        """What is to be measured, references first. Raises `WentWrong` for a name that is unknown."""
        unknown = [name for name in self.names if name not in NAMES]
        if unknown:
            raise WentWrong(f"nothing is called {', '.join(unknown)}: there are {', '.join(NAMES)}")
        if not self.names:
            return [*REFERENCES, *SCENARIOS]
        return [each for name, each in KNOWN.items() if name in self.names]


async def run(options: Options, console: Console) -> Report:
    """Measures what was asked for.

    Raises `WentWrong` when an answer was not as expected, or when the database does not hold what was promised.
    """
    wanted = options.asked()
    report = Report(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
        settings=_settings(options),
        figures=[],
    )
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="quire-bench-", ignore_cleanup_errors=True) as folder,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        task = progress.add_task("", total=None)

        def tell(what: str) -> None:
            progress.update(task, description=what)
            if not console.is_terminal:  # nobody would see it move
                console.print(f"{datetime.now(UTC):%H:%M:%S} {what}")

        tell("starting RabbitMQ, mongod, Redis, edges and workers")
        if wanted:
            async with stand(Path(folder), options.layout) as on:
                tell("putting titles on the shelf")
                bench = await on.during(_shelve(on, options))
                report.settings["titles drawn by"] = bench.popularity.source
                gathered: dict[str, list[Figure]] = {}
                for title, scenario, load in rounds(wanted, options, gathered):
                    tell(title)
                    for figure in await on.during(_calmly(bench, scenario, load, options)):
                        gathered.setdefault(figure.key, []).append(figure)
                tell("checking that every promise was kept")
                report.counted, report.invariants = await on.during(verify(on))
            report.figures = [medians(figures) for figures in gathered.values()]
        if not options.names or EMBEDDED in options.names:
            tell("the embedded default: start and memory")
            report.figures += await measure_embedded(Path(folder) / "embedded")
    report.rows = rows(report)
    return report


async def _calmly(bench: Bench, scenario: Scenario, load: Load, options: Options) -> list[Figure]:
    """The measurement; the calmest of a few where others kept the machine busier than is allowed."""
    tries: list[list[Figure]] = []
    while len(tries) < CALM_TRIES:
        keep_what_stands()  # or the generator stands still, and whatever it measures with it
        meter, begun = Meter.start(bench.on), time.perf_counter()
        figures = await scenario.measure(bench, load)
        for figure in figures:
            if not figure.cores:  # a reference runs beside the stand: what it used is the generator's
                meter.cores(figure, time.perf_counter() - begun)
                figure.cores, figure.resident_mb = {}, {}
        tries.append(figures)
        if options.calm is None or _disturbance(figures) <= options.calm:
            break
    return min(tries, key=_disturbance)


def _disturbance(figures: Sequence[Figure]) -> float:
    return max(figure.elsewhere for figure in figures)


def rounds(
    wanted: Sequence[Scenario], options: Options, gathered: dict[str, list[Figure]]
) -> Iterator[tuple[str, Scenario, Load]]:
    """Round after round of everything, so that what disturbs the machine for a while disturbs all alike.

    An open loop at a third of the top rate needs that rate: it comes after the closed ones of its round.
    """
    for number in range(options.repeat):
        for scenario in wanted:
            for load in _loads(scenario, options, gathered):
                loaded = f", {load.name}" if scenario.loads != ("once",) else ""
                of = f" ({number + 1} of {options.repeat})" if options.repeat > 1 else ""
                yield f"{scenario.name}: {scenario.what}{loaded}{of}", scenario, load


def _loads(scenario: Scenario, options: Options, gathered: dict[str, list[Figure]]) -> Iterator[Load]:
    if "once" in scenario.loads or scenario.name.startswith("R"):
        yield Load(max(options.shoppers))
        return
    for shoppers in options.shoppers if "closed" in scenario.loads else ():
        yield Load(shoppers)
    if "open" not in scenario.loads or not options.open_loop:
        return
    for rate in options.rates:
        yield Load(rate=rate)
    if not options.rates:
        # Of this round's: the machine's own speed moves by a fifth between two of them, and the top rate with it.
        top = gathered[f"{scenario.name} {Load(max(options.shoppers)).name}"][-1]
        yield Load(rate=max(1.0, round(top.value / 3)), third=True)


async def _shelve(on: Stand, options: Options) -> Bench:
    """Titles with plenty of copies, put in as staff would, by a few clerks at a time."""
    titles = shelf(options.titles)
    left = iter([*titles, (FLASH_TITLE, "The book of the hour")])

    async def clerk() -> None:
        me = staff(on.url, on.operator_token)
        for isbn, title in left:
            await me.put(f"/v1/books/{isbn}", {"title": title, "price": PRICE})
            await me.put(f"/v1/books/{isbn}/stock", {"on_hand": COPIES})
        me.close()

    await asyncio.gather(*(clerk() for _ in range(CLERKS)))
    return Bench(
        on,
        [isbn for isbn, _ in titles],
        popularity(len(titles)),
        options.seconds,
        options.warm_up_s,
        confirm=options.confirm,
        waiting=options.waiting,
        rushing=options.rushing,
        soak_minutes=options.soak_minutes,
    )


def machine() -> dict[str, str]:
    """What it was measured on, and how busy that was before."""
    load = os.getloadavg()[0]
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load before": f"{load:.2f}",
    }


def _processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else platform.machine()


def _settings(options: Options) -> dict[str, object]:
    return {
        "seconds": options.seconds,
        "warm-up, seconds": options.warm_up_s,
        "repeats": options.repeat,
        "edges": options.layout.edges,
        "workers": [" ".join(groups) for groups in options.layout.workers],
        "confirmed orders heard by": options.confirm,
        "titles": options.titles,
        "cores that others may use": "any" if options.calm is None else options.calm,
    }


def main(options: Options, console: Console) -> Report:
    """The whole run in an event loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(options, console))

"""`python -m tests.faults`: one long run with a seed of one's own, shown as it goes, reported to a folder."""

import argparse
import asyncio
import sys
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ops.servers import ServerMissing
from tests.faults.nemesis import Done
from tests.faults.run import Run, Watch, carry_out, write
from tests.faults.servers import VERSIONS
from tests.faults.stand import Shape


def main() -> int:
    """1 where a promise was broken."""
    asked = _arguments()
    shape = Shape(asked.rabbitmq, asked.nodes, asked.nodes)
    run = Run(asked.seed, asked.faults, asked.orders, shape, freeze_max_s=asked.freeze)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        orders = progress.add_task("orders", total=run.orders)
        faults = progress.add_task("faults", total=run.faults)

        def fault(done: Done) -> None:
            progress.update(faults, advance=1, description=done.fault.kind)
            if not console.is_terminal:
                bought = progress.tasks[orders].completed
                console.print(f"{done.fault.kind}, at {bought:.0f} orders", highlight=False)

        watch = Watch(
            fault, lambda: progress.advance(orders), lambda text: console.print(text, highlight=False)
        )
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(carry_out(run, watch))
        except ServerMissing as error:
            console.print(f"[red]{error}")
            return 2
    path = write(run, asked.out)
    _tell(run, console)
    console.print(f"The report: {path}", highlight=False)
    return 1 if run.verdict.violations else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Faults under load, and whether every promise holds afterwards."
    )
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rabbitmq", choices=VERSIONS, default="4.0")
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=3, help="of RabbitMQ and of MongoDB")
    parser.add_argument(
        "--freeze", type=float, default=60.0, help="seconds that something is frozen, at most"
    )
    parser.add_argument("--out", type=Path, default=Path("data/faults"))
    return parser.parse_args()


def _tell(run: Run, console: Console) -> None:
    counted = ", ".join(f"{count} {what}" for what, count in run.verdict.counted.items())
    console.print(f"Seed {run.seed}: {counted}; {run.seconds:.0f} s", highlight=False)
    for name, value in run.verdict.figures.items():
        console.print(f"  {name} {value:.2f}", highlight=False)
    for violation in run.verdict.violations:
        console.print(f"[red]broken:[/] {violation}", highlight=False, markup=True)
    if not run.verdict.violations:
        console.print("[green]Every promise holds.")


if __name__ == "__main__":
    sys.exit(main())

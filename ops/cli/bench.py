"""`quire bench`: how fast this machine sells books."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.cli.common import console, errors

if TYPE_CHECKING:
    from ops.bench import Options
    from ops.bench.figures import Report


Names = Annotated[
    list[str] | None,
    typer.Argument(help="Scenarios and references, such as cart, buy or R4; all where none is named."),
]


def bench(  # noqa: PLR0917 - a command line's options, which nobody passes by place
    names: Names = None,
    seconds: Annotated[float, typer.Option(help="How long each is measured.", min=1)] = 10.0,
    warm_up: Annotated[float, typer.Option(help="Seconds of load before each.", min=0.1)] = 2.0,
    repeat: Annotated[int, typer.Option(help="Rounds; figures are medians of them.", min=1)] = 1,
    shoppers: Annotated[
        list[int] | None, typer.Option(help="How many at a time in a closed loop.", show_default="1, 16, 64")
    ] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option(help="Turns a second of an open loop.", show_default="a third of the top rate"),
    ] = None,
    closed: Annotated[bool, typer.Option("--closed", help="No open loops.")] = False,
    edges: Annotated[int, typer.Option(help="How many edge processes.", min=1)] = 1,
    worker: Annotated[
        list[str] | None,
        typer.Option(help="A worker process: all, or groups separated by commas.", show_default="two"),
    ] = None,
    confirm: Annotated[
        str, typer.Option(help="How confirmed orders are heard of: events, watch, poll or changes.")
    ] = "events",
    waiting: Annotated[int, typer.Option(help="Commands that wait in the queues (drain).", min=1)] = 50_000,
    rushing: Annotated[int, typer.Option(help="Shoppers of the flash sale.", min=1)] = 10_000,
    soak: Annotated[
        float | None,
        typer.Option(help="Minutes of purchases, for memory over time.", metavar="MINUTES", min=0.1),
    ] = None,
    calm: Annotated[
        float | None,
        typer.Option(help="Cores that others may use meanwhile; where they use more it is tried again."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Hold the ratios to those kept; exit code 1 where a fifth is lost."),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep this run's ratios for --check.")] = False,
    out: Annotated[Path, typer.Option(help="Where the report goes.", metavar="DIR")] = Path("bench-report"),
) -> None:
    """Measures this machine: real RabbitMQ, MongoDB and Redis, edges and workers as processes."""
    from ops.bench import DEFAULT_WORKERS, SOAK_MINUTES, Layout, Options, WentWrong
    from ops.logs import configure

    if check and keep:
        raise typer.BadParameter("what is kept cannot be held to what was kept before: --check or --keep")
    configure("warning")
    gate = check or keep
    try:
        options = Options(
            names=(*(names or ()), *(("soak",) if soak is not None else ())),
            seconds=seconds,
            warm_up_s=warm_up,
            repeat=repeat,
            shoppers=tuple(shoppers or (1, 16, 64)),
            rates=tuple(rate or ()),
            open_loop=not closed,
            layout=Layout.of(edges, worker or DEFAULT_WORKERS),
            confirm=confirm,
            waiting=waiting,
            rushing=rushing,
            calm=calm,
            soak_minutes=soak or SOAK_MINUTES,
        )
        if gate:
            options = options.of_gate()
        report = _measured(options, out)
        if gate:
            _hold(report, options, keep=keep)
    except WentWrong as error:
        errors.print(f"[bold red]quire:[/] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _measured(options: "Options", out: Path) -> "Report":
    from ops.bench import main
    from ops.bench.report import show, write

    report = main(options, console)
    show(report, console)
    console.print(f"Written: {', '.join(str(path) for path in write(report, out))}", highlight=False)
    return report


def _hold(report: "Report", options: "Options", *, keep: bool) -> None:
    """Keeps the ratios, or compares them with those kept; exit code 1 where more than a fifth of one is lost."""
    from ops.bench.gate import compare, read_kept, require_calm, taken_from, write_kept
    from ops.bench.report import show_gate

    now = taken_from(report)
    if keep:
        require_calm(report, options.calm)
        write_kept(now)
        return
    compared = compare(read_kept(), now)
    show_gate(compared, console)
    if not all(each.passes for each in compared):
        raise typer.Exit(1)

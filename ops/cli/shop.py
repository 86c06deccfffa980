"""`quire demo` and `quire import`: the shop from outside."""

from pathlib import Path
from typing import Annotated

import typer

from ops.cli.common import DEFAULT_DATA, Data, Url, bearer_of, console, errors, settings_of
from ops.logs import configure

Token = Annotated[
    str | None,
    typer.Option(
        "--token", envvar="QUIRE_TOKEN", help="A bearer token with the role staff.", show_default=False
    ),
]


def demo(
    data: Data = DEFAULT_DATA,
    rabbitmq: Annotated[
        str | None,
        typer.Option(
            help="An instance of its own on a RabbitMQ: its URL, or none to start this machine's.",
            metavar="[URL]",
        ),
    ] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """A shopper's whole journey, step by step; it plays the carrier too."""
    import asyncio

    import uvloop

    from ops.demo import DemoFailed, play

    configure("error", "console")
    settings = settings_of(data=data)
    if url is not None:
        token = bearer_of(token)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(play(settings, console, rabbitmq=rabbitmq, url=url, token=token))
    except DemoFailed as error:
        errors.print(f"[bold red]quire:[/] {error}", highlight=False)
        raise typer.Exit(1) from error


def import_(
    file: Annotated[Path, typer.Argument(help="The feed.", exists=True, dir_okay=False, readable=True)],
    form: Annotated[
        str | None, typer.Option("--format", help="csv or jsonl; else by the file's name.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(help="For titles that bring none, such as 12.99.", metavar="AMOUNT")
    ] = None,
    stock: Annotated[
        int | None, typer.Option(help="Copies of titles that nobody counted yet.", min=0)
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.", metavar="FILE")] = None,
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
) -> None:
    """Brings books in, and says line by line what was added, changed, skipped and why."""
    import asyncio

    from ops.imports import ImportFailed, run_import
    from ops.instance import find

    if url is None:
        instance = find(data)
        url, token = instance.url, instance.operator_token
    try:
        asyncio.run(
            run_import(
                file,
                url=url,
                token=bearer_of(token),
                format=form,
                price=price,
                stock=stock,
                report=report,
                console=console,
            )
        )
    except ImportFailed as error:
        errors.print(f"[bold red]quire:[/] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error

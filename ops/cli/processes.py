"""Commands that serve: `up`, `edge`, `worker`."""

import os
from typing import Annotated

import typer

from ops.cli.common import DEFAULT_DATA, Data, console, settings_of
from ops.logs import configure

Host = Annotated[str | None, typer.Option(help="The address to listen on.", show_default="127.0.0.1")]
Port = Annotated[int | None, typer.Option(help="The port; 0 takes a free one.", show_default="8000")]


def up(
    host: Host = None,
    port: Port = None,
    data: Data = DEFAULT_DATA,
    rabbitmq: Annotated[
        str | None,
        typer.Option(
            help="A RabbitMQ instead of the embedded broker: its URL, or none to start this machine's own.",
            metavar="[URL]",
        ),
    ] = None,
    redis: Annotated[
        str | None, typer.Option(help="A Redis as cache instead of memory.", metavar="URL")
    ] = None,
    empty: Annotated[bool, typer.Option("--empty", help="No demo catalogue.")] = False,
) -> None:
    """Everything in one process, on the embedded default."""
    import asyncio

    import uvloop

    from ops.instance import Instance
    from ops.up import up as serve

    settings = settings_of(host=host, port=port, data=data, redis_url=redis)
    configure(settings.log_level, settings.log_format)

    def ready(instance: Instance) -> None:
        console.print(f"Quire is ready on {instance.url}", highlight=False)
        if instance.management_url:
            console.print(
                f"RabbitMQ's console: {instance.management_url} ({settings.data}/rabbitmq has the password)"
            )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, rabbitmq=rabbitmq, empty=empty, ready=ready))


def edge(host: Host = None, port: Port = None) -> None:
    """The HTTP edge alone, on Granian."""
    from ops.edge import serve

    settings = settings_of(host=host, port=port)
    for name, value in (("QUIRE_HOST", host), ("QUIRE_PORT", port)):
        if value is not None:
            os.environ[name] = str(value)  # Granian's worker process reads its settings from there
    serve(settings)


def worker(
    group: Annotated[
        list[str] | None, typer.Option(help="A group to run; several may be named.", show_default="all")
    ] = None,
) -> None:
    """Groups of actors, all or some."""
    import asyncio

    import uvloop

    from ops.worker import serve

    settings = settings_of()
    configure(settings.log_level, settings.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(tuple(group) if group else settings.groups, settings))

"""Commands that serve: `up`, `edge`, `worker`."""

from collections.abc import Coroutine
from typing import Annotated, Any

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

    _run(serve(settings, rabbitmq=rabbitmq, empty=empty, ready=ready))


def edge(host: Host = None, port: Port = None) -> None:
    """The HTTP edge alone."""
    from ops.edge import serve

    settings = settings_of(host=host, port=port)
    configure(settings.log_level, settings.log_format)
    _run(serve(settings))


def worker(
    group: Annotated[
        list[str] | None, typer.Option(help="A group to run; several may be named.", show_default="all")
    ] = None,
) -> None:
    """Groups of actors, all or some."""
    from ops.worker import serve

    settings = settings_of()
    configure(settings.log_level, settings.log_format)
    _run(serve(tuple(group) if group else settings.groups, settings))


def _run(process: Coroutine[Any, Any, None]) -> None:
    """A process's work on uvloop, until it ends."""
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(process)

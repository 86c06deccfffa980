"""`quire topology`, `quire doctor`: what stands on the broker, and what is wrong with this machine."""

import typer
from rich.table import Table

from ops.cli.common import DEFAULT_DATA, Data, console, explained, settings_of

topology = typer.Typer(no_args_is_help=True)


@topology.command("show")
@explained
def show() -> None:
    """Groups, queues and bindings, as they are meant to be."""
    from broker.topology import EXCHANGES, GROUPS, RETRY_TIERS, SLOTS

    table = Table(
        title=f"{SLOTS} slots; exchanges {', '.join(f'{name} ({kind})' for name, kind in EXCHANGES)}"
    )
    for column in ("group", "order", "queues", "events", "retry", "dead letters"):
        table.add_column(column)
    for group in GROUPS:
        table.add_row(
            group.name,
            "by actor" if group.ordered else "none",
            f"{group.queues[0]} … {group.queues[-1]}" if group.ordered else group.name,
            ", ".join(event.__name__ for event in group.events),
            "in place" if group.ordered else ", ".join(tier.name for tier in RETRY_TIERS),
            group.dead,
        )
    console.print(table)


def _broker_url(data: Data) -> str:
    from ops.instance import find
    from ops.settings import SettingMissing, secret

    settings = settings_of(data=data)
    url = secret(settings.rabbitmq_url) or find(settings.data).rabbitmq_url
    if url is None:
        raise SettingMissing(
            "this instance has its broker in its own process: start it with --rabbitmq, or set QUIRE_RABBITMQ_URL"
        )
    return url


@topology.command("apply")
@explained
def apply(data: Data = DEFAULT_DATA) -> None:
    """Declares what is missing on the broker; what stands already is left as it is."""
    import asyncio

    from ops.parts import apply_topology

    asyncio.run(apply_topology(_broker_url(data)))
    console.print("The topology stands.")


@topology.command("check")
@explained
def check(data: Data = DEFAULT_DATA) -> None:
    """Compares the broker with what is meant to stand on it; exit code 1 where something is missing or differs."""
    import asyncio

    from broker import declare
    from broker.connection import connect

    async def compare(url: str) -> list[str]:
        connection = await connect(url, name="quire topology")
        try:
            return await declare.check(connection)
        finally:
            await connection.close()

    findings = asyncio.run(compare(_broker_url(data)))
    for finding in findings:
        console.print(f"[red]✗[/] {finding}", highlight=False)
    if findings:
        raise typer.Exit(1)
    console.print("The topology stands as it should.")


def doctor(data: Data = DEFAULT_DATA) -> None:
    """What this machine has for Quire, and what is wrong with it."""
    from ops.doctor import examine

    findings = examine(data)
    for finding in findings:
        console.print(
            f"{'[green]✓[/]' if finding.well else '[red]✗[/]'} {finding.text}",
            highlight=False,
            soft_wrap=True,
        )
    if not all(finding.well or not finding.needed for finding in findings):
        raise typer.Exit(1)

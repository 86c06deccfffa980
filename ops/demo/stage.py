"""Where the journey is played: on an instance that runs, or on one of its own that goes when it is over."""

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from rich.console import Console
from rich.table import Table
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from broker.topology import GROUPS
from ops.demo.journey import Journey, Unexpected
from ops.demo.shop import Refused, Shop
from ops.instance import Instance, NoInstance, find
from ops.settings import Settings
from ops.up import running

ANSWER_WITHIN_S = 40.0
CONSOLE_POLL_S = 0.5
CONSOLE_WITHIN_S = 20.0


class DemoFailed(Exception):
    """The journey did not come to its end; the text says where and why."""


async def play(
    settings: Settings, console: Console, *, rabbitmq: str | None, url: str | None, token: str | None
) -> None:
    """Plays the journey: at `url`, where something runs on the data folder, else on an instance of its own.

    With `rabbitmq` ("local" or a URL) it is always one of its own. Raises `DemoFailed`.
    """
    async with AsyncExitStack() as stack:
        if url is not None:
            where, operator, instance = url, token or "", None
        else:
            instance = await _instance(settings, rabbitmq, console, stack)
            where, operator = instance.url, instance.operator_token
        client = httpx.AsyncClient(base_url=where, timeout=ANSWER_WITHIN_S)
        http = await stack.enter_async_context(client)
        shop = Shop(http)
        console.print(f"A journey through {where}\n", highlight=False)
        steps = 0

        def tell(step: str, outcome: str) -> None:
            nonlocal steps
            steps += 1
            console.print(
                f"[bold]{steps:>2}[/]  [cyan]{step:<13}[/] {outcome}", highlight=False, soft_wrap=True
            )

        try:
            await Journey(shop, shop.bearing(operator), tell).run()
        except (Refused, Unexpected, httpx.HTTPError) as error:
            raise DemoFailed(f"the journey broke off after step {steps}: {error}") from error
        console.print("\n[green]The journey is over, and everything came as promised.[/]")
        if instance is not None and instance.management_url is not None:
            await show_queues(instance, console)


async def _instance(
    settings: Settings, rabbitmq: str | None, console: Console, stack: AsyncExitStack
) -> Instance:
    if rabbitmq is None:
        try:
            return find(settings.data)
        except NoInstance:
            console.print("Nothing runs here, so the journey gets an instance of its own …", highlight=False)
    else:
        console.print("Starting an instance of its own with RabbitMQ …", highlight=False)
    folder = stack.enter_context(
        tempfile.TemporaryDirectory(prefix="quire-demo-", ignore_cleanup_errors=True)
    )
    own = settings.model_copy(update={"data": Path(folder), "port": 0})
    return await stack.enter_async_context(running(own, rabbitmq=rabbitmq, empty=False))


def _are_seen(queues: list[dict[str, Any]]) -> bool:
    consumed = {queue["name"] for queue in queues if queue.get("consumers")}
    return consumed >= {name for group in GROUPS for name in group.queues}


async def show_queues(instance: Instance, console: Console) -> None:
    """What the management console shows of the queues that this journey went through."""
    assert instance.rabbitmq_url is not None
    parts = urlsplit(instance.rabbitmq_url)
    vhost = quote(parts.path.lstrip("/") or "/", safe="%")
    login = (parts.username or "", parts.password or "")
    async with httpx.AsyncClient(base_url=instance.management_url or "", auth=login) as client:

        async def ask() -> list[dict[str, Any]]:
            answer = await client.get(f"/api/queues/{vhost}")
            return list(answer.raise_for_status().json())

        # The console's figures lag, those of quorum queues by more than 5 s: it has seen the queues that are worked off
        # once it has seen their consumers.
        seen = AsyncRetrying(
            retry=retry_if_result(lambda queues: not _are_seen(queues)),
            wait=wait_fixed(CONSOLE_POLL_S),
            stop=stop_after_delay(CONSOLE_WITHIN_S),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        queues: list[dict[str, Any]] = await seen(ask)
    table = Table(title=f"The queues, as {instance.management_url} shows them")
    for column in ("queue", "type", "ready", "unacked", "consumers"):
        table.add_column(column, justify="left" if column in ("queue", "type") else "right")
    for queue in sorted(queues, key=lambda each: str(each["name"])):
        counts = (
            str(queue.get(name, 0)) for name in ("messages_ready", "messages_unacknowledged", "consumers")
        )
        table.add_row(queue["name"], queue.get("type", ""), *counts)
    console.print(table)

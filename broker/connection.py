"""Connections to a broker: a RabbitMQ, a cluster of them, or the embedded one."""

import asyncio
from typing import Any, TypeAlias

from aio_pika import RobustConnection
from aio_pika.abc import AbstractRobustConnection
from aio_pika.connection import make_url
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from yarl import URL

from broker.embedded.server import EmbeddedServer
from broker.embedded.transport import EmbeddedConnection

Endpoint: TypeAlias = str | EmbeddedServer
"""A RabbitMQ URL (a cluster: several, comma-separated) or an EmbeddedServer in this process."""

# A frozen owner keeps its partition for about 13 s with this, for 178 s with RabbitMQ's default (measured on
# 3.10.8).
HEARTBEAT_S = 5
RECONNECT_S = 1
CONNECT_TIMEOUT_S = 10


class ClusterConnection(RobustConnection):
    """A robust connection that turns to the cluster's next node whenever one fails it."""

    def __init__(self, urls: list[URL], **kwargs: Any) -> None:
        super().__init__(urls[0], **kwargs)
        self._urls = urls

    async def _on_connection_close(self, closing: asyncio.Future[Any]) -> None:
        # aio-pika comes here after a lost connection and after each failed attempt.
        self.url = self._urls[(self._urls.index(self.url) + 1) % len(self._urls)]
        await super()._on_connection_close(closing)


async def connect(endpoint: Endpoint, *, name: str) -> AbstractRobustConnection:
    """A connection called `name` that restores itself.

    The first attempt fails fast: aio_pika.exceptions.CONNECTION_EXCEPTIONS once every node of the endpoint
    refused or did not answer within 10 s. Whether to try again is the caller's to decide.
    """
    if isinstance(endpoint, EmbeddedServer):
        embedded = EmbeddedConnection(endpoint, name)
        await embedded.connect()
        return embedded
    urls = [make_url(url.strip(), heartbeat=HEARTBEAT_S) for url in endpoint.split(",")]
    for attempt in range(len(urls)):
        connection = ClusterConnection(
            [*urls[attempt:], *urls[:attempt]],
            reconnect_interval=RECONNECT_S,
            client_properties={"connection_name": name},
        )
        try:
            await connection.connect(timeout=CONNECT_TIMEOUT_S)
        except BaseException as error:
            # Also where it is cancelled: what is not closed connects for ever, and survives its cancellation.
            await connection.close()
            if attempt == len(urls) - 1 or not isinstance(error, CONNECTION_EXCEPTIONS):
                raise
        else:
            return connection
    raise ValueError("an endpoint is one RabbitMQ URL, or several separated by commas")

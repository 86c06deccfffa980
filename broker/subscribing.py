"""FastStream's broker on our connections; an edge, which only publishes, does without it and its 6 MB."""

from typing import Any, cast

from aio_pika import RobustConnection
from faststream.rabbit import RabbitBroker

from broker.connection import Endpoint, connect
from broker.embedded.server import EmbeddedServer
from broker.embedded.transport import ADDRESS


class Broker(RabbitBroker):
    """FastStream's RabbitBroker on any Endpoint; `kwargs` are RabbitBroker's."""

    def __init__(self, endpoint: Endpoint, *, name: str, **kwargs: Any) -> None:
        url = str(ADDRESS) if isinstance(endpoint, EmbeddedServer) else endpoint.split(",")[0]
        super().__init__(url, **kwargs)
        self.endpoint = endpoint
        self.name = name

    async def _connect(self) -> RobustConnection:
        connection = cast("RobustConnection", await connect(self.endpoint, name=self.name))
        for close_callback in self._on_close:
            connection.close_callbacks.add(close_callback)
        for reconnect_callback in self._on_reconnected:
            connection.reconnect_callbacks.add(reconnect_callback)
        try:
            if self._channel is None:
                self.config.connect(connection)
                self._channel = await self.config.channel_manager.get_channel()
        except BaseException:
            await connection.close()  # or it would connect again and again, beside that of the next try
            raise
        return connection

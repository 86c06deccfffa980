"""Servers that Quire starts itself: a mongod, a RabbitMQ or a Redis, each in its own folder, on 127.0.0.1.

A server started here ends with the process that started it, however that one ends: see `ops.servers.guard`.
"""

from ops.servers.errors import FolderInUse, ServerError, ServerFailed, ServerMissing
from ops.servers.folder import own
from ops.servers.mongod import Mongod
from ops.servers.rabbitmq import RabbitMQ
from ops.servers.redis import Redis

__all__ = [
    "FolderInUse",
    "Mongod",
    "RabbitMQ",
    "Redis",
    "ServerError",
    "ServerFailed",
    "ServerMissing",
    "own",
]

"""A RabbitMQ of our own: a node that shares nothing with any other on this machine, or a few that make a cluster."""

from ops.servers.rabbitmq.node import Membership
from ops.servers.rabbitmq.programs import start_epmd
from ops.servers.rabbitmq.server import RabbitMQ

__all__ = ["Membership", "RabbitMQ", "start_epmd"]

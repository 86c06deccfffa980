"""Payments: authorise when an order is placed, capture when it is shipped, give back when it is undone."""

from handlers.payments.bounded import BoundedGateway
from handlers.payments.breaker import BreakingGateway, CircuitBreaker, CircuitOpen
from handlers.payments.gateway import (
    Charge,
    ChargeStatus,
    Gateway,
    GatewayDeclined,
    GatewayMisused,
    GatewayUnreachable,
)
from handlers.payments.process import OutOfStep, Payments, payments
from handlers.payments.simulated import SimulatedGateway

__all__ = [
    "BoundedGateway",
    "BreakingGateway",
    "Charge",
    "ChargeStatus",
    "CircuitBreaker",
    "CircuitOpen",
    "Gateway",
    "GatewayDeclined",
    "GatewayMisused",
    "GatewayUnreachable",
    "OutOfStep",
    "Payments",
    "SimulatedGateway",
    "payments",
]

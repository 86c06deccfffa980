"""A circuit breaker round a gateway: one that fails again and again is left alone for a while.

    closed      calls go through; failures in a row are counted
    open        every call is refused at once, for `open_s`: retry queues fill instead of connections
    half open   one call is let through; its outcome closes the circuit or opens it again

A failure is what `BoundedGateway` could not settle by repeating and asking. A decline is an answer.
(M. Nygard, "Release It!", 2nd edition 2018, chapter 5, "Circuit Breaker".)
"""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from handlers.payments.gateway import Charge, Gateway, GatewayUnreachable

log = structlog.get_logger(__name__)

T = TypeVar("T")

FAILURES_MAX = 5
OPEN_S = 5.0


class CircuitOpen(GatewayUnreachable):
    """The gateway was not asked: it has failed too often just now."""


class CircuitBreaker:
    """The state of one circuit. `clock` gives seconds."""

    def __init__(
        self,
        *,
        failures_max: int = FAILURES_MAX,
        open_s: float = OPEN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures_max = failures_max
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._trying = False

    @property
    def trouble(self) -> str | None:
        """What is wrong with the gateway, in words; None while the circuit is closed."""
        if self._opened_at is None:
            return None
        return f"failed {self._failures} times in a row: asked again every {self._open_s:g} s"

    async def call(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Calls, if the circuit lets it. Raises `CircuitOpen`, and what the call raises."""
        trial = self._enter(what)
        try:
            result = await call()
        except GatewayUnreachable:
            self._failed()
            raise
        except Exception:
            self._answered()
            raise
        else:
            self._answered()
            return result
        finally:
            if trial:
                self._trying = False

    def _enter(self, what: str) -> bool:
        """Whether this call is the one that finds out. Raises `CircuitOpen`."""
        if self._opened_at is None:
            return False
        if self._trying or self._clock() - self._opened_at < self._open_s:
            raise CircuitOpen(
                f"the gateway was not asked to {what}: it failed {self._failures} times in a row"
            )
        self._trying = True
        return True

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= self._failures_max:
            if self._opened_at is None:
                log.error("gateway.circuit_open", failures=self._failures, open_s=self._open_s)
            self._opened_at = self._clock()

    def _answered(self) -> None:
        if self._opened_at is not None:
            log.info("gateway.circuit_closed", failures=self._failures)
        self._failures = 0
        self._opened_at = None


class BreakingGateway:
    """A `Gateway` behind a circuit breaker."""

    def __init__(self, gateway: Gateway, circuit: CircuitBreaker) -> None:
        self._gateway = gateway
        self._circuit = circuit

    async def authorise(self, key: str, amount: int, currency: str, token: str) -> Charge:
        """As the gateway's."""
        return await self._circuit.call(
            "authorise", lambda: self._gateway.authorise(key, amount, currency, token)
        )

    async def capture(self, key: str) -> Charge:
        """As the gateway's."""
        return await self._circuit.call("capture", lambda: self._gateway.capture(key))

    async def void(self, key: str) -> Charge:
        """As the gateway's."""
        return await self._circuit.call("void", lambda: self._gateway.void(key))

    async def refund(self, key: str) -> Charge:
        """As the gateway's."""
        return await self._circuit.call("refund", lambda: self._gateway.refund(key))

    async def find(self, key: str) -> Charge | None:
        """As the gateway's."""
        return await self._circuit.call("find", lambda: self._gateway.find(key))

"""Any gateway, bounded in time: a limit round each call, short retries, and an unknown outcome asked for.

A call that fails at once is repeated a few times (it is idempotent by key), with jitter. One that runs into
its limit is not: ten seconds are enough for one attempt, so the books are asked, and the retry queues do the
rest.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from handlers.payments.gateway import Charge, ChargeStatus, Gateway, GatewayDeclined, GatewayUnreachable

T = TypeVar("T")

TIMEOUT_S = 10.0
ATTEMPTS_MAX = 3
PAUSE_S, PAUSE_MAX_S = 0.2, 1.0
TRYING_MAX_S = 4.0  # no further attempt is begun after that


class GatewayTimeout(GatewayUnreachable):
    """No answer within the limit."""


class BoundedGateway:
    """A `Gateway` that answers within `timeout_s` a call, or raises `GatewayUnreachable`.

    The longest takes `TRYING_MAX_S`, a pause and one limit, and as much again for the question what became of
    it: half a minute by default.
    """

    def __init__(self, gateway: Gateway, *, timeout_s: float = TIMEOUT_S) -> None:
        self._gateway = gateway
        self._timeout_s = timeout_s

    async def authorise(self, key: str, amount: int, currency: str, token: str) -> Charge:
        """As the gateway's; an unknown outcome is asked for."""
        try:
            return await self._call(
                "authorise", key, lambda: self._gateway.authorise(key, amount, currency, token)
            )
        except GatewayUnreachable:
            charge = await self.find(key)
            if charge is None:
                raise  # it may still arrive: the same key makes the next attempt safe
            if charge.status is ChargeStatus.DECLINED:
                raise GatewayDeclined(key, charge.reason or "declined") from None
            return charge

    async def capture(self, key: str) -> Charge:
        """As the gateway's; an unknown outcome is asked for."""
        return await self._settle("capture", key, self._gateway.capture, ChargeStatus.CAPTURED)

    async def void(self, key: str) -> Charge:
        """As the gateway's; an unknown outcome is asked for."""
        return await self._settle("void", key, self._gateway.void, ChargeStatus.VOIDED)

    async def refund(self, key: str) -> Charge:
        """As the gateway's; an unknown outcome is asked for."""
        return await self._settle("refund", key, self._gateway.refund, ChargeStatus.REFUNDED)

    async def find(self, key: str) -> Charge | None:
        """As the gateway's."""
        return await self._call("find", key, lambda: self._gateway.find(key))

    async def _settle(
        self, what: str, key: str, call: Callable[[str], Awaitable[Charge]], wanted: ChargeStatus
    ) -> Charge:
        try:
            return await self._call(what, key, lambda: call(key))
        except GatewayUnreachable:
            charge = await self.find(key)
            if charge is None or charge.status is not wanted:
                raise
            return charge

    async def _call(self, what: str, key: str, call: Callable[[], Awaitable[T]]) -> T:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, GatewayUnreachable) and not isinstance(error, GatewayTimeout)
            ),
            stop=stop_after_attempt(ATTEMPTS_MAX) | stop_after_delay(TRYING_MAX_S),
            wait=wait_random_exponential(multiplier=PAUSE_S, max=PAUSE_MAX_S),
            reraise=True,
        ):
            with attempt:
                return await self._once(what, key, call)
        raise AssertionError("tenacity returns or raises")

    async def _once(self, what: str, key: str, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await call()
        except TimeoutError as error:
            raise GatewayTimeout(
                f"the gateway did not answer {what} {key} within {self._timeout_s:g} s"
            ) from error

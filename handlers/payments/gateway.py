"""What a payment gateway can do for us. The idempotency key of every call is the order's id.

The simulated gateway implements it, and any other may: it needs idempotent calls and a way to ask for an
outcome.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from broker.groups import Transient


class ChargeStatus(StrEnum):
    """Where a charge stands in the gateway's books."""

    AUTHORIZED = "authorized"
    DECLINED = "declined"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Charge:
    """One key in the gateway's books; `amount` in minor units of `currency`, 0 and "" where it was closed
    unused.
    """

    key: str
    status: ChargeStatus
    amount: int
    currency: str
    reference: str
    reason: str | None = None

    @property
    def holds(self) -> bool:
        """Whether money is held or taken."""
        return self.status in (ChargeStatus.AUTHORIZED, ChargeStatus.CAPTURED)


class GatewayDeclined(Exception):
    """The gateway says no, and will say so again; `reason` is its code (card_declined, already_captured, …)."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"the gateway declined the payment of order {key}: {reason}")
        self.key = key
        self.reason = reason


class GatewayUnreachable(Transient):
    """No answer: the call may have taken effect or not. Ask with `find`, or send it again under the same key."""


class GatewayMisused(Exception):
    """A key was used again for another amount: a bug of ours, which no retry mends."""


class Gateway(Protocol):
    """Every call may be repeated and then has no further effect; each raises `GatewayUnreachable` on an
    unknown outcome.
    """

    async def authorise(self, key: str, amount: int, currency: str, token: str) -> Charge:
        """Holds `amount` (minor units) for us, once a key.

        Returns the charge as it stands, which is voided where the key was closed. Raises `GatewayDeclined`,
        and `GatewayMisused` for another amount under the same key.
        """
        ...

    async def capture(self, key: str) -> Charge:
        """Takes what is held, once. Raises `GatewayDeclined` where nothing is held."""
        ...

    async def void(self, key: str) -> Charge:
        """Gives back what is held, if anything is, and closes the key.

        After it returned, no `authorise` under this key holds money any more, not even one that was sent
        before and arrives late: what is known to be cancelled stays uncharged. Raises `GatewayDeclined`
        (already_captured) where it was captured.
        """
        ...

    async def refund(self, key: str) -> Charge:
        """Gives back what was captured, once. Raises `GatewayDeclined` where nothing was captured."""
        ...

    async def find(self, key: str) -> Charge | None:
        """What the gateway's books say of the key; None where it was never heard of."""
        ...

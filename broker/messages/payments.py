"""Commands to payments and what the gateway said. A payment's key is its order's id; amounts are minor units."""

from typing import ClassVar

from broker.messages.base import Command, Event


class ExpireOrder(Command, frozen=True, kw_only=True):
    """The order is due and unpaid: ask the gateway, and only if it was not charged let it be cancelled."""

    group: ClassVar[str] = "payments"

    order_id: str

    @property
    def key(self) -> str:
        """The order."""
        return self.order_id


class PaymentEvent(Event, frozen=True, kw_only=True):
    """A fact about the payment of one order."""

    order_id: str

    @property
    def key(self) -> str:
        """The order."""
        return self.order_id


class PaymentAuthorized(PaymentEvent, frozen=True, kw_only=True):
    """The gateway holds the money for us."""

    amount: int
    currency: str


class PaymentDeclined(PaymentEvent, frozen=True, kw_only=True):
    """The gateway said no; `reason` is its code (card_declined, …)."""

    reason: str


class PaymentExpired(PaymentEvent, frozen=True, kw_only=True):
    """Due, and the gateway knows of no charge: nothing will be taken any more."""


class PaymentCaptured(PaymentEvent, frozen=True, kw_only=True):
    """The money is ours. Told for the record: no group waits for it."""

    mandatory: ClassVar[bool] = False

    amount: int
    currency: str


class PaymentVoided(PaymentEvent, frozen=True, kw_only=True):
    """An authorisation was given back before capture. Told for the record: no group waits for it."""

    mandatory: ClassVar[bool] = False


class PaymentRefunded(PaymentEvent, frozen=True, kw_only=True):
    """Captured money went back."""

    amount: int
    currency: str

"""Payments: what we know and intend of the money of one order, and the table of its moves.

    authorising -> authorized -> capturing -> captured -> refunding -> refunded
         |              |
         +--> voiding <-+--> voided          declined and expired are ends too

A state ending in "-ing" is an intent: it is written before the gateway is called, so that a crash leaves a
question that can be asked (`Gateway.find`) rather than a guess. A payment that is voided or expired before
its order was ever seen keeps a late OrderPlaced from charging.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Self

from pymongo import ASCENDING, IndexModel

from documents.actors import Actor, CausedChange, note_cause
from documents.refusals import MoveNotAllowed


class PaymentStatus(StrEnum):
    """Where the money of an order stands, as far as we know."""

    AUTHORISING = "authorising"
    AUTHORIZED = "authorized"
    DECLINED = "declined"
    CAPTURING = "capturing"
    CAPTURED = "captured"
    VOIDING = "voiding"
    VOIDED = "voided"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    EXPIRED = "expired"


S = PaymentStatus

MOVES: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    S.AUTHORISING: frozenset({S.AUTHORIZED, S.DECLINED, S.VOIDING, S.EXPIRED}),
    S.AUTHORIZED: frozenset({S.CAPTURING, S.VOIDING}),
    S.DECLINED: frozenset(),
    S.CAPTURING: frozenset({S.CAPTURED}),
    S.CAPTURED: frozenset({S.REFUNDING}),
    S.VOIDING: frozenset({S.VOIDED}),
    S.VOIDED: frozenset(),
    S.REFUNDING: frozenset({S.REFUNDED}),
    S.REFUNDED: frozenset(),
    S.EXPIRED: frozenset(),
}

# What a payment may begin as: usually the intent to authorise; closed, where the order's end was heard of
# first; authorized, where the gateway knows of a charge that we have no record of.
BEGINNINGS = frozenset({S.AUTHORISING, S.AUTHORIZED, S.VOIDED, S.EXPIRED})

INTENTS = frozenset({S.AUTHORISING, S.CAPTURING, S.VOIDING, S.REFUNDING})


class PaymentChange(CausedChange):
    """One change of state, to `status`."""

    status: PaymentStatus


class Payment(Actor):
    """The money of one order; `id` is the order's id and the gateway's idempotency key.

    `amount` is in minor units of `currency` (ISO 4217); both are None where the order's end was heard of
    before the order. `reference` is the gateway's own name of the charge.
    """

    kind: ClassVar[str] = "payment"

    status: PaymentStatus
    amount: int | None = None
    currency: str | None = None
    token: str | None = None
    reference: str | None = None
    reason: str | None = None
    history: list[PaymentChange] = []

    class Settings:
        """Found by status: intents that stay are what an operator wants to see."""

        name = "payments"
        indexes = [IndexModel([("status", ASCENDING)])]

    @classmethod
    def begin(
        cls,
        order_id: str,
        status: PaymentStatus,
        at: datetime,
        *,
        amount: int | None = None,
        currency: str | None = None,
        token: str | None = None,
        reason: str | None = None,
    ) -> Self:
        """A payment that was not there before, in its first state. Raises `ValueError` for one that cannot be
        a first.
        """
        if status not in BEGINNINGS:
            raise ValueError(f"a payment cannot begin as {status} (order {order_id})")
        payment = cls(id=order_id, status=status, amount=amount, currency=currency, token=token)
        payment._enter(status, at, reason)
        return payment

    def can(self, target: PaymentStatus) -> bool:
        """Whether the table of moves allows it from here."""
        return target in MOVES[self.status]

    def move(self, target: PaymentStatus, at: datetime, reason: str | None = None) -> None:
        """Moves to another state. Raises `MoveNotAllowed`, and then nothing has changed."""
        if not self.can(target):
            raise MoveNotAllowed(self.kind, self.id, self.status, target)
        self._enter(target, at, reason)

    def _enter(self, status: PaymentStatus, at: datetime, reason: str | None) -> None:
        self.touch()
        self.status = status
        if reason is not None:
            self.reason = reason
        self.history = [*self.history, PaymentChange(rev=self.rev, status=status, at=at, reason=reason)]

    def caused_by(self, message_id: str) -> None:
        """See `Actor`."""
        note_cause(self.history, self.loaded_rev, message_id)

    def delta(self) -> dict[str, Any]:
        """What can change after a payment began."""
        return {
            "$set": {
                "rev": self.rev,
                "status": self.status.value,
                "amount": self.amount,
                "currency": self.currency,
                "reference": self.reference,
                "reason": self.reason,
                "history": [change.model_dump() for change in self.history],
            }
        }

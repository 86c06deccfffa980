"""Notifications: which mails left, one a state of an order."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Self

from pymongo import ASCENDING, IndexModel

from documents.actors import Actor

SENDING_LEASE = timedelta(seconds=60)  # longer than any mailer takes; another worker keeps off that long


class NotificationStatus(StrEnum):
    """`bounced`: the recipient's side refused it for good, so it is not tried again."""

    SENDING = "sending"
    SENT = "sent"
    BOUNCED = "bounced"


def notification_id(order_id: str, event_type: str) -> str:
    """One mail an order and event: an order enters each state once, however often it is told of."""
    return f"{order_id}.{event_type}"


class Notification(Actor):
    """One mail. It is written before the send and after it, so that a repeat of the event finds it.

    `lease_until` keeps a second worker from sending the same mail beside the first; it ends early when the
    first knows that its attempt failed.
    """

    kind: ClassVar[str] = "notification"

    status: NotificationStatus = NotificationStatus.SENDING
    order_id: str
    event: str
    recipient: str
    subject: str = ""
    attempts: int = 0
    lease_until: datetime | None = None
    sent_at: datetime | None = None
    reason: str | None = None

    class Settings:
        """Read by order; those that did not arrive are found by status."""

        name = "notifications"
        indexes = [IndexModel([("order_id", ASCENDING)]), IndexModel([("status", ASCENDING)])]

    @classmethod
    def about(cls, order_id: str, event_type: str, recipient: str) -> Self:
        """A mail that nobody has tried to send yet."""
        return cls(
            id=notification_id(order_id, event_type),
            order_id=order_id,
            event=event_type,
            recipient=recipient,
        )

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return self.status is not NotificationStatus.SENDING

    def is_leased(self, now: datetime) -> bool:
        """Whether another attempt may be under way."""
        return self.lease_until is not None and now < self.lease_until

    def attempt(self, now: datetime) -> None:
        """Notes that it is about to be sent."""
        self.attempts += 1
        self.lease_until = now + SENDING_LEASE
        self.touch()

    def put_back(self, reason: str) -> None:
        """The attempt failed in a way that may pass: the next one need not wait for the lease."""
        self.lease_until = None
        self.reason = reason
        self.touch()

    def sent(self, at: datetime) -> None:
        """The mail server has taken it over."""
        self.status = NotificationStatus.SENT
        self.sent_at = at
        self.lease_until = None
        self.reason = None
        self.touch()

    def bounce(self, reason: str) -> None:
        """It cannot be delivered to this recipient."""
        self.status = NotificationStatus.BOUNCED
        self.lease_until = None
        self.reason = reason
        self.touch()

    def delta(self) -> dict[str, Any]:
        """What can change after it was written."""
        return {
            "$set": {
                "rev": self.rev,
                "status": self.status.value,
                "subject": self.subject,
                "attempts": self.attempts,
                "lease_until": self.lease_until,
                "sent_at": self.sent_at,
                "reason": self.reason,
            }
        }

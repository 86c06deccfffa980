"""Mail to shoppers: one for each state that their order enters.

At least once: a worker that dies between the hand-over and its record sends the mail again, under the same
Message-ID. Short of that it is sent once: the notification is saved before the send and after it, and leased
in between.
"""

from broker.groups import Effects, Transient, UnorderedGroup, WorkDesk
from broker.linger import PATIENCE_S
from broker.messages import (
    Event,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
)
from broker.messages.orders import OrderEvent
from documents.notifications import Notification, notification_id
from handlers.notifications.letters import BadAddress, letter
from handlers.notifications.mailers import Bounced, FolderMailer, Mailer, MailRefused, SmtpMailer

DEFAULT_SENDER = "Quire <orders@quire.invalid>"  # RFC 2606: an address that reaches nobody by accident

MAILED: tuple[type[Event], ...] = (
    OrderPlaced,
    OrderConfirmed,
    OrderCancelled,
    OrderShipped,
    OrderDelivered,
    OrderRefunded,
)


class Notifications:
    """The one handler of all events, given a mailer."""

    def __init__(self, mailer: Mailer, shop_url: str, sender: str) -> None:
        self._mailer = mailer
        self._shop_url = shop_url
        self._sender = sender

    async def notify(self, event: OrderEvent, desk: WorkDesk) -> Effects:
        """Mails the shopper what the event says, unless that was done."""
        event_type = type(event).__name__
        mail_id = notification_id(event.order_id, event_type)
        notification = await desk.load(Notification, mail_id)
        if notification is None:
            notification = Notification.about(event.order_id, event_type, event.email)
        if notification.settled:
            return _unchanged(notification)
        if notification.is_leased(desk.now):
            raise Transient(
                f"mail {mail_id} may be on its way in another worker until {notification.lease_until}"
            )
        try:
            mail = letter(event, mail_id=mail_id, sender=self._sender, shop_url=self._shop_url)
        except BadAddress as error:
            notification.bounce(str(error))
            return _changed(notification)
        notification.subject = mail["Subject"]
        notification.attempt(desk.now)
        await desk.save(notification)
        try:
            await self._mailer.send(mail, mail_id)
        except (Transient, MailRefused) as error:
            notification.put_back(str(error))
            await desk.save(notification)
            raise
        except Bounced as error:
            notification.bounce(str(error))
            return _changed(notification)
        notification.sent(desk.now)
        return _changed(notification)


def _changed(notification: Notification) -> Effects:
    return Effects(
        resource=f"orders/{notification.order_id}",
        result={"notification": notification.status.value},
        saved=(notification,),
    )


def _unchanged(notification: Notification) -> Effects:
    return Effects(
        resource=f"orders/{notification.order_id}", result={"notification": notification.status.value}
    )


def notifications(mailer: Mailer, shop_url: str, *, sender: str = DEFAULT_SENDER) -> UnorderedGroup:
    """The group. `shop_url` is the shop's address as shoppers see it, `sender` the mails' From, `Name <address>`."""
    handlers = Notifications(mailer, shop_url, sender)
    return UnorderedGroup(
        name="notifications", handlers=dict.fromkeys(MAILED, handlers.notify), patience_s=PATIENCE_S
    )


__all__ = [
    "Bounced",
    "FolderMailer",
    "MailRefused",
    "Mailer",
    "Notifications",
    "SmtpMailer",
    "notifications",
]

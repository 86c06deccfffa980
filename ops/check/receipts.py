"""Receipts: whatever changed has the receipt of the message that changed it, in each group.

Effect and receipt are written in one transaction, so there is no grace period here. Ordered groups note the actor's
revision in their receipts; unordered ones do not, but a change of state and its receipt share their time to the
millisecond. What is older than receipts are kept (30 days) is not asked for.
"""

from collections.abc import AsyncIterator, Iterator

from documents.notifications import NotificationStatus
from documents.payments import INTENTS, PaymentStatus
from ops.check.cases import Case
from ops.check.findings import Finding, stuck
from ops.check.parcels import mails_of
from ops.check.view import Row, Side, View, merged

ALONE = frozenset(
    {*INTENTS, PaymentStatus.EXPIRED}
)  # saved before the gateway is called, the receipt after it


def order_has_receipts(case: Case, view: View) -> Iterator[Finding]:
    """Each revision of an order after the first has a receipt in `orders`, and none tells of a later one."""
    told = case.receipts.orders
    if case.order is None:
        if told:
            yield Finding(case.id, f"its receipts tell of revision {max(told)}, and there is no order")
        return
    rev = case.order["rev"]
    if told and max(told) > rev:
        yield Finding(case.id, f"rev {rev}, its receipts tell of {max(told)}")
    at = {change["rev"]: change["at"] for change in case.order["history"]}
    since = at.get(1)
    missing = []
    for each in range(2, rev + 1):
        since = at.get(
            each, since
        )  # that a refund was asked for is in no history: it is younger than what is
        if each not in told and view.kept(since):
            missing.append(str(each))
    if missing:
        yield Finding(case.id, f"rev {rev}, and no receipt in orders tells of {', '.join(missing)}")


def payment_has_receipts(case: Case, view: View) -> Iterator[Finding]:
    """Each state of a payment that is no intent has the receipt of the message that led to it, in `payments`.

    An expired one is closed at the gateway first: its receipt follows.
    """
    if case.order is None or case.payment is None:
        return
    known = case.receipts.payments
    for change in case.payment["history"]:
        if change["status"] not in ALONE and view.kept(change["at"]) and change["at"] not in known:
            yield Finding(
                case.id, f"{change['status']} at {change['at']:%F %T}Z, without a receipt in payments"
            )
    if case.payment["status"] == PaymentStatus.EXPIRED.value:
        since = case.payment["history"][-1]["at"] if case.payment["history"] else None
        told = since is not None and any(at >= since for at in known)
        if not told and view.kept(since) and view.late(since):
            yield stuck(case, view, ("payments",), "expired, without a receipt in payments", since)


def parcel_has_receipts(case: Case, view: View) -> Iterator[Finding]:
    """Each state of a parcel has the receipt of the message that led to it, in `shipments`."""
    if case.order is None or case.shipment is None:
        return
    for change in case.shipment["history"]:
        if view.kept(change["at"]) and change["at"] not in case.receipts.shipments:
            yield Finding(
                case.id, f"{change['status']} at {change['at']:%F %T}Z, without a receipt in shipments"
            )


def mail_has_receipt(case: Case, view: View) -> Iterator[Finding]:
    """A mail that has left, or was refused for good, has its event's receipt in `notifications`."""
    for change, event, mail in mails_of(case):
        settled = mail is not None and mail["status"] != NotificationStatus.SENDING.value
        if settled and view.kept(change["at"]) and event not in case.receipts.notifications:
            yield Finding(case.id, f"the mail about {event} left, without a receipt in notifications")


async def book_has_receipts(view: View) -> AsyncIterator[Finding]:
    """A title's rev is the greatest that a receipt in `catalog` tells of."""
    last: list[Row] = [
        {"$match": {"group": "catalog", "rev": {"$gt": 0}, "key": {"$gt": ""}}},
        {"$group": {"_id": "$key", "rev": {"$max": "$rev"}}},
        {"$sort": {"_id": 1}},
    ]
    streams = merged(
        Side(view.find("books", {}, ("rev", "updated_at"), "_id"), "_id"),
        Side(await view.sums("receipts", last), "_id"),
    )
    async for isbn, (books, receipts) in streams:
        told = receipts[0]["rev"] if receipts else 0
        rev = books[0]["rev"] if books else 0
        if told > rev or (rev != told and view.kept(books[0].get("updated_at"))):
            yield Finding(isbn, f"rev {rev}, its receipts in catalog tell of {told}")

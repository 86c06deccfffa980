"""Parcels and mails: what follows an order, and whether it did."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from documents.notifications import NotificationStatus, notification_id
from documents.orders import OrderStatus
from documents.shipments import LEFT, MOVES, ShipmentStatus
from ops.check.cases import Case
from ops.check.findings import Finding, stuck
from ops.check.view import Row, View

O = OrderStatus  # noqa: E741 - as S is for the states of parcels
S = ShipmentStatus
PATHS_KEPT = 1_000
GONE = frozenset(LEFT)

# Where an order's parcel can be; None: there is none. What is only late is another invariant's.
PARCEL_OF: dict[OrderStatus, frozenset[ShipmentStatus | None]] = {
    O.PLACED: frozenset({None}),
    O.CONFIRMED: frozenset({None, S.PREPARING, *LEFT}),
    O.SHIPPED: GONE,
    O.DELIVERED: frozenset({S.DELIVERED}),
    O.REFUNDED: GONE,
    O.CANCELLED: frozenset({None, S.PREPARING, S.CANCELLED, *LEFT}),
}

MAIL_OF: dict[str, str] = {
    O.PLACED: "OrderPlaced",
    O.CONFIRMED: "OrderConfirmed",
    O.CANCELLED: "OrderCancelled",
    O.SHIPPED: "OrderShipped",
    O.DELIVERED: "OrderDelivered",
    O.REFUNDED: "OrderRefunded",
}


def parcel_agrees(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001 - the signature of all
    """Order and parcel do not contradict each other: nothing leaves unconfirmed, and it holds what was ordered.

    A parcel that is to be called back (`recall`) is a notice: somebody has to get it.
    """
    if case.order is None:
        return
    order, parcel = OrderStatus(case.order["status"]), case.shipment
    status = ShipmentStatus(parcel["status"]) if parcel is not None else None
    if status not in PARCEL_OF[order]:
        yield Finding(case.id, f"the order is {order}, its parcel {status or 'missing'}")
    if parcel is None:
        return
    if parcel["recall"]:
        yield Finding(case.id, f"the order is {order}, its parcel has left: to be called back", notice=True)
    ordered = sorted((line["isbn"], line["quantity"]) for line in case.order["lines"])
    packed = sorted((line["isbn"], line["quantity"]) for line in parcel["lines"])
    if packed != ordered and (packed or status is not S.CANCELLED):
        yield Finding(case.id, f"ordered {ordered}, in the parcel {packed}")


def parcel_follows(case: Case, view: View) -> Iterator[Finding]:
    """A confirmed order gets a parcel, a cancelled one none, and the order knows where its parcel is."""
    parcel = case.shipment
    status = ShipmentStatus(parcel["status"]) if parcel is not None else None
    if case.status == O.CONFIRMED.value and status is None and view.late(case.since):
        yield stuck(case, view, ("shipments",), "confirmed, and no parcel is prepared", case.since)
    if parcel is None or parcel["recall"]:
        return
    if case.status == O.CANCELLED.value and status is not S.CANCELLED and view.late(case.since):
        yield stuck(case, view, ("shipments",), f"cancelled, and its parcel is {status}", case.since)
    behind = (case.status == O.CONFIRMED.value and status in GONE) or (
        case.status == O.SHIPPED.value and status is S.DELIVERED
    )
    if behind and view.late(parcel["since"]):
        detail = f"the order is {case.status}, its parcel {status}"
        yield stuck(case, view, ("orders",), detail, parcel["since"])


def parcel_history(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001
    """A parcel's history follows its table of moves; being called back is a change that keeps the state."""
    parcel = case.shipment
    if parcel is None:
        return
    path = tuple(change["status"] for change in parcel["history"])
    revs = [change["rev"] for change in parcel["history"]]
    allowed = _on_the_table(path, parcel["status"], parcel["recall"])
    if not allowed or revs != list(range(1, parcel["rev"] + 1)):
        told = " -> ".join(path) or "empty"
        yield Finding(case.id, f"parcel {parcel['status']}, rev {parcel['rev']}, history {told} ({revs})")


@lru_cache(PATHS_KEPT)
def _on_the_table(path: tuple[str, ...], status: str, recall: bool) -> bool:
    """Whether a parcel may have come that way; a step that stays is the one that calls it back."""
    if not path or path[0] not in (S.PREPARING.value, S.CANCELLED.value) or path[-1] != status:
        return False
    steps = [(S(before), S(after)) for before, after in pairwise(path)]
    stays = sum(before is after for before, after in steps)
    return stays == int(recall) and all(before is after or after in MOVES[before] for before, after in steps)


def mails_of(case: Case) -> Iterator[tuple[Row, str, Row | None]]:
    """Each state that the order entered, the event that told of it, and its mail; None where there is none."""
    mails = {each["_id"]: each for each in case.notifications}
    for change in case.order["history"] if case.order is not None else ():
        event = MAIL_OF[change["status"]]
        yield change, event, mails.get(notification_id(case.id, event))


def mail_leaves(case: Case, view: View) -> Iterator[Finding]:
    """The shopper is told of every state that the order entered, and no mail hangs."""
    for change, event, mail in mails_of(case):
        if (mail is not None and mail["status"] != NotificationStatus.SENDING.value) or not view.late(
            change["at"]
        ):
            continue
        if mail is None:
            yield stuck(case, view, ("notifications",), f"no mail about {event}", change["at"])
        elif mail["lease_until"] is None or view.late(mail["lease_until"]):
            why = f": {mail['reason']}" if mail["reason"] else ""
            yield stuck(
                case, view, ("notifications",), f"the mail about {event} was not sent{why}", change["at"]
            )


def belongs_to_an_order(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001
    """Payments, parcels and mails are those of orders that exist."""
    if case.order is not None:
        return
    kept = (("a payment", case.payment), ("a parcel", case.shipment), ("mails", case.notifications))
    for what, found in kept:
        if found:
            yield Finding(case.id, f"{what} of an order that does not exist")

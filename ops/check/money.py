"""Money: never charged twice, never charged without an order, nothing kept of what was cancelled."""

from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from itertools import pairwise

from documents.operations import Outcome
from documents.orders import OrderStatus
from documents.payments import BEGINNINGS, INTENTS, MOVES, PaymentStatus
from handlers.payments.gateway import ChargeStatus
from ops.check.cases import Case
from ops.check.findings import Finding, stuck
from ops.check.view import View, chunks

S = PaymentStatus
C = ChargeStatus

PATHS_KEPT = 1_000

PAID_BY: dict[OrderStatus, frozenset[PaymentStatus]] = {
    OrderStatus.CONFIRMED: frozenset({S.AUTHORIZED}),
    OrderStatus.SHIPPED: frozenset({S.AUTHORIZED, S.CAPTURING, S.CAPTURED}),
    OrderStatus.DELIVERED: frozenset({S.AUTHORIZED, S.CAPTURING, S.CAPTURED}),
    OrderStatus.REFUNDED: frozenset({S.REFUNDED}),
}
BEING_REFUNDED = frozenset({S.REFUNDING, S.REFUNDED})
CLOSED = frozenset({S.DECLINED, S.VOIDED, S.EXPIRED, S.REFUNDED})
DECIDED = frozenset({S.AUTHORIZED, S.DECLINED, S.EXPIRED})

# What the gateway's books may say for each state of ours. An intent is saved before the call and its outcome after,
# so an intent allows both; None: the key was never heard of.
BOOKED: dict[PaymentStatus, frozenset[ChargeStatus | None]] = {
    S.AUTHORISING: frozenset({None, C.AUTHORIZED, C.DECLINED, C.VOIDED}),
    S.AUTHORIZED: frozenset({C.AUTHORIZED}),
    S.DECLINED: frozenset({C.DECLINED, C.VOIDED}),
    S.CAPTURING: frozenset({C.AUTHORIZED, C.CAPTURED}),
    S.CAPTURED: frozenset({C.CAPTURED}),
    S.VOIDING: frozenset({None, C.AUTHORIZED, C.VOIDED, C.DECLINED}),
    S.VOIDED: frozenset({None, C.VOIDED, C.DECLINED}),
    S.REFUNDING: frozenset({C.CAPTURED, C.REFUNDED}),
    S.REFUNDED: frozenset({C.REFUNDED}),
    S.EXPIRED: frozenset({None, C.VOIDED, C.DECLINED}),
}
MONEY_MOVED = frozenset({C.AUTHORIZED, C.CAPTURED, C.REFUNDED})


def paid_before_confirmed(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001 - the signature of all
    """A confirmed order is authorised for its total, a shipped one captured or about to be, a refunded one refunded."""
    order, payment = case.order, case.payment
    status = OrderStatus(order["status"]) if order is not None else None
    if order is None or status not in PAID_BY:
        return
    if payment is None:
        yield Finding(case.id, f"{status} without a payment")
        return
    allowed = PAID_BY[status] | (BEING_REFUNDED if order["cancelling"] else frozenset())
    if payment["status"] not in allowed:
        yield Finding(case.id, f"{status}, and its payment is {payment['status']}")
    if (payment["amount"], payment["currency"]) != (order["total"], order["currency"]):
        yield Finding(
            case.id,
            f"its total is {order['total']} {order['currency']},"
            f" its payment {payment['amount']} {payment['currency']}",
        )


def payment_begins(case: Case, view: View) -> Iterator[Finding]:
    """An order that was placed is presented to the gateway."""
    if case.status == OrderStatus.PLACED.value and case.payment is None and view.late(case.since):
        yield stuck(
            case, view, ("payments",), "placed, and nobody has begun to ask for its money", case.since
        )


def intents_end(case: Case, view: View) -> Iterator[Finding]:
    """What was intended of the money is carried out: authorising, capturing, voiding and refunding end."""
    payment = case.payment
    if payment is not None and payment["status"] in INTENTS and view.late(payment["since"]):
        since = f"{payment['since']:%F %T}Z"
        yield stuck(
            case, view, ("payments",), f"its payment is {payment['status']} since {since}", payment["since"]
        )


def order_follows_payment(case: Case, view: View) -> Iterator[Finding]:
    """What became of the payment becomes of the order: confirmed, cancelled, or refunded."""
    payment = case.payment
    if payment is None or case.order is None or not view.late(payment["since"]):
        return
    behind = (case.status == OrderStatus.PLACED.value and payment["status"] in DECIDED) or (
        case.status in (OrderStatus.SHIPPED.value, OrderStatus.DELIVERED.value)
        and payment["status"] == S.REFUNDED.value
    )
    if behind:
        detail = f"still {case.status}, its payment is {payment['status']}"
        yield stuck(case, view, ("orders",), detail, payment["since"])


def capture_follows_shipping(case: Case, view: View) -> Iterator[Finding]:
    """What was shipped is paid for: its payment is captured."""
    shipped = (OrderStatus.SHIPPED.value, OrderStatus.DELIVERED.value)
    if case.order is None or case.payment is None or case.status not in shipped:
        return
    left = next((each["at"] for each in case.order["history"] if each["status"] == shipped[0]), None)
    if case.payment["status"] == S.AUTHORIZED.value and view.late(left):
        yield stuck(case, view, ("payments",), f"{case.status}, and its payment is only authorized", left)


def cancelled_is_closed(case: Case, view: View) -> Iterator[Finding]:
    """A cancelled order's payment is closed: declined, voided, expired or refunded."""
    if case.status != OrderStatus.CANCELLED.value or not view.late(case.since):
        return
    status = case.payment["status"] if case.payment is not None else None
    if status not in CLOSED and status not in INTENTS:  # those are another invariant's
        detail = f"cancelled, and its payment is {status or 'not closed'}"
        yield stuck(case, view, ("payments",), detail, case.since)


def no_net_charge(case: Case, view: View) -> Iterator[Finding]:
    """Of a cancelled or refunded order the gateway's books keep nothing: captured less refunded is 0."""
    ended = case.status == OrderStatus.REFUNDED.value or (
        case.status == OrderStatus.CANCELLED.value and view.late(case.since)
    )
    if case.charge is not None and ended:
        net = _booked(case, C.CAPTURED) - _booked(case, C.REFUNDED)
        if net:
            yield Finding(
                case.id, f"{case.status}, and {net} {case.charge['currency']} were kept (minor units)"
            )


def captured_once(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001
    """The gateway took an order's money at most once, and exactly its total; and gave no more back."""
    if case.charge is None or case.order is None:
        return
    entries = [each["entry"] for each in case.charge["entries"]]
    captures, refunds = entries.count(C.CAPTURED.value), entries.count(C.REFUNDED.value)
    taken = case.charge["status"] in (C.CAPTURED.value, C.REFUNDED.value)
    if (
        captures > 1
        or refunds > captures
        or entries.count(C.AUTHORIZED.value) > 1
        or (taken and not captures)
    ):
        yield Finding(case.id, f"{case.charge['status']}, and its entries are {', '.join(entries)}")
    elif captures and _booked(case, C.CAPTURED) != case.order["total"]:
        took = _booked(case, C.CAPTURED)
        yield Finding(case.id, f"{took} were captured, its total is {case.order['total']} (minor units)")


def books_agree(case: Case, view: View) -> Iterator[Finding]:
    """The gateway's books say what our payment says: state, amount and currency."""
    if case.order is None:
        return
    payment, charge = case.payment, case.charge
    booked = ChargeStatus(charge["status"]) if charge is not None else None
    if payment is None:
        if booked is not None:
            yield Finding(case.id, f"the gateway has a charge ({booked}), and we have no payment")
        return
    status = PaymentStatus(payment["status"])
    if booked not in BOOKED[status]:
        on_its_way = status is S.EXPIRED and not view.late(payment["since"])  # its key is about to be closed
        if not on_its_way:
            yield Finding(case.id, f"our payment is {status}, the gateway's charge {booked or 'missing'}")
        return
    if charge is not None and booked in MONEY_MOVED:
        theirs, ours = (charge["amount"], charge["currency"]), (payment["amount"], payment["currency"])
        if theirs != ours:
            yield Finding(
                case.id, f"our payment is over {ours[0]} {ours[1]}, the charge {theirs[0]} {theirs[1]}"
            )


def charge_has_order(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001
    """Nothing is charged without an order."""
    if case.order is None and case.charge is not None:
        amount = f"{case.charge['amount']} {case.charge['currency']}"
        yield Finding(
            case.id, f"a charge over {amount} ({case.charge['status']}) of an order that does not exist"
        )


def payment_history(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001
    """A payment's history follows its table of moves, and its rev counts every change."""
    payment = case.payment
    if payment is None:
        return
    path = tuple(change["status"] for change in payment["history"])
    revs = [change["rev"] for change in payment["history"]]
    if not _on_the_table(path, payment["status"]) or revs != list(range(1, payment["rev"] + 1)):
        told = " -> ".join(path) or "empty"
        yield Finding(case.id, f"payment {payment['status']}, rev {payment['rev']}, history {told} ({revs})")


@lru_cache(PATHS_KEPT)
def _on_the_table(path: tuple[str, ...], status: str) -> bool:
    """Whether a payment may have come that way."""
    if not path or S(path[0]) not in BEGINNINGS or path[-1] != status:
        return False
    return all(S(after) in MOVES[S(before)] for before, after in pairwise(path))


async def refund_follows(view: View) -> AsyncIterator[Finding]:
    """A refund that was asked for is begun."""
    async for chunk in chunks(view.find("orders", {"cancelling": True}, ())):
        ids = [row["_id"] for row in chunk]
        begun = await view.known("payments", ids, "status")
        waits = [each for each in ids if begun.get(each, {}).get("status") == S.CAPTURED.value]
        about = {
            "key": {"$in": waits},
            "$or": [{"type": "CancelOrder"}, {"status": Outcome.FAILED.value, "group": "payments"}],
        }
        asked, failed = {}, set()
        fields = ("key", "type", "status", "group", "message_id", "at")
        async for receipt in view.find("receipts", about, fields):
            if receipt["status"] == Outcome.FAILED.value:
                if view.has_letter(receipt["group"], receipt["message_id"], receipt["at"]):
                    failed.add(receipt["key"])
            elif receipt["status"] == Outcome.SUCCEEDED.value:
                asked[receipt["key"]] = receipt["at"]
        for order_id in waits:
            if order_id not in asked or view.late(asked[order_id]):
                case = Case(order_id, failed=frozenset({"payments"} if order_id in failed else ()))
                yield stuck(
                    case,
                    view,
                    ("payments",),
                    "a refund was asked for, and nobody has begun it",
                    asked.get(order_id),
                )


def _booked(case: Case, kind: ChargeStatus) -> int:
    """The sum of the charge's entries of one kind, in minor units."""
    assert case.charge is not None
    return sum(entry["amount"] for entry in case.charge["entries"] if entry["entry"] == kind.value)

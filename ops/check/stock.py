"""Stock: never oversold, nothing leaks, and every copy accounted for."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from documents.operations import RECEIPT_LIFETIME, Outcome
from documents.orders import HOLDS_STOCK, OrderStatus
from documents.stock import Reason
from ops.check.cases import Case
from ops.check.findings import Finding
from ops.check.titles import Title
from ops.check.view import TTL_SLACK, View, chunks

GROUP_OF: dict[str, str] = {  # whose messages move stock for that reason
    Reason.COUNTED: "catalog",
    Reason.RESERVED: "carts",
    Reason.RELEASED: "orders",
    Reason.SOLD: "orders",
    Reason.RETURNED: "orders",
}
MOVED = frozenset({Outcome.SUCCEEDED.value, Outcome.PENDING.value})


def ledger_sums(title: Title) -> Iterator[Finding]:
    """available + reserved + sold = initial + restocked: the counts are the sums of the title's movements."""
    counts = title.stock or {"on_hand": 0, "reserved": 0}
    sums = title.ledger or {"on_hand": 0, "reserved": 0}
    for what in ("on_hand", "reserved"):
        if counts[what] != sums[what]:
            yield Finding(title.isbn, f"{what} is {counts[what]}, its movements sum to {sums[what]}")


def never_oversold(title: Title) -> Iterator[Finding]:
    """available is on_hand less reserved, and none of them is below zero."""
    stock = title.stock
    if stock is None:
        return
    on_hand, reserved, available = stock["on_hand"], stock["reserved"], stock["available"]
    if min(on_hand, reserved, available) < 0 or available != on_hand - reserved:
        yield Finding(title.isbn, f"on hand {on_hand}, reserved {reserved}, available {available}")


def catalogue_flag(title: Title) -> Iterator[Finding]:
    """A book's `available` flag says whether any copy is left: both are written together."""
    if title.book is None:
        return
    left = title.stock["available"] if title.stock is not None else 0
    if bool(title.book["available"]) != (left > 0):
        yield Finding(
            title.isbn, f"the catalogue says {title.book['available']}, {left} copies are available"
        )


def order_holds_its_lines(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001 - the signature of all
    """An open order holds exactly its lines, a cancelled one nothing; a shipped one has sold them."""
    if case.order is None:
        return
    status = OrderStatus(case.order["status"])
    sums: dict[str, list[int]] = {}
    for movement in case.movements:
        held = sums.setdefault(movement["isbn"], [0, 0])
        held[0] += movement["reserved"]
        # Copies that came back after a refund were sold all the same.
        held[1] += movement["on_hand"] if movement["reason"] != Reason.RETURNED.value else 0
    for line in case.order["lines"]:
        reserved, on_hand = sums.pop(line["isbn"], [0, 0])
        copies = line["quantity"]
        meant = _meant(status, copies)
        if (reserved, on_hand) != meant:
            yield Finding(
                case.id,
                f"{status}, {copies} x {line['isbn']}: it holds {reserved} and sold {-on_hand},"
                f" not {meant[0]} and {-meant[1]}",
            )
    for isbn, (reserved, on_hand) in sums.items():
        if reserved or on_hand:
            yield Finding(case.id, f"{isbn} is none of its lines: it holds {reserved} and sold {-on_hand}")


def _meant(status: OrderStatus, copies: int) -> tuple[int, int]:
    """What an order's movements of a line sum to: reserved, on hand."""
    if status in HOLDS_STOCK:
        return copies, 0
    return (0, 0) if status is OrderStatus.CANCELLED else (0, -copies)


def movement_has_order(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001
    """Stock moves for orders that exist."""
    if case.order is None and case.movements:
        titles = ", ".join(sorted({movement["isbn"] for movement in case.movements}))
        yield Finding(case.id, f"stock of {titles} moved for an order that does not exist")


async def movements_sound(view: View) -> AsyncIterator[Finding]:
    """A movement does what its reason says: reserving takes nothing off the shelf, selling takes what was reserved."""
    about_order = {"$eq": [{"$type": "$order_id"}, "string"]}
    shapes: dict[Reason, list[Any]] = {
        Reason.COUNTED: [{"$eq": ["$reserved", 0]}, {"$not": [about_order]}],
        Reason.RESERVED: [{"$eq": ["$on_hand", 0]}, {"$gt": ["$reserved", 0]}, about_order],
        Reason.RELEASED: [{"$eq": ["$on_hand", 0]}, {"$lt": ["$reserved", 0]}, about_order],
        Reason.SOLD: [{"$eq": ["$on_hand", "$reserved"]}, {"$lt": ["$on_hand", 0]}, about_order],
        Reason.RETURNED: [{"$eq": ["$reserved", 0]}, {"$gt": ["$on_hand", 0]}, about_order],
    }
    branches = [
        {"case": {"$eq": ["$reason", reason.value]}, "then": {"$and": shape}}
        for reason, shape in shapes.items()
    ]
    wrong = {"$expr": {"$not": [{"$switch": {"branches": branches, "default": False}}]}}
    async for row in view.aggregate("movements", [{"$match": wrong}]):
        counts = f"on hand {row['on_hand']:+}, reserved {row['reserved']:+}"
        yield Finding(str(row["_id"]), f"{row['reason']} of {row['isbn']}: {counts}, order {row['order_id']}")


async def movement_has_receipt(view: View) -> AsyncIterator[Finding]:
    """Stock moves with a message's receipt, in one transaction: each movement's cause was received, and succeeded.

    Or is pending, where a second step is to end its operation.
    """
    young = {"at": {"$gt": view.now - RECEIPT_LIFETIME + TTL_SLACK}}
    async for chunk in chunks(view.pick("movements", young, {"_id": 0, "reason": 1, "cause": 1})):
        view.count("movements", len(chunk))
        receipts = {f"{GROUP_OF[row['reason']]}/{row['cause']}" for row in chunk if row["reason"] in GROUP_OF}
        known = await view.known("receipts", receipts, "status")
        for receipt in sorted(receipts):
            if receipt not in known:
                yield Finding(receipt, "it moved stock, and there is no such receipt")
            elif known[receipt]["status"] not in MOVED:
                yield Finding(receipt, f"it moved stock, and is {known[receipt]['status']}")

"""Orders: one a key, moved by the table of moves, with effects and receipts together."""

from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from itertools import pairwise

from documents.operations import Outcome
from documents.orders import MOVES, OrderStatus
from ops.check.cases import Case
from ops.check.findings import Finding, stuck
from ops.check.view import Row, View, chunks

S = OrderStatus
PATHS_KEPT = 1_000
DONE = frozenset({Outcome.SUCCEEDED.value, Outcome.PENDING.value})


async def one_order_a_key(view: View) -> AsyncIterator[Finding]:
    """A sender's Idempotency-Key makes one order."""
    pipeline: list[Row] = [
        {
            "$group": {
                "_id": {"sender": "$sender", "placed_by": "$placed_by"},
                "first": {"$min": "$_id"},
                "last": {"$max": "$_id"},
                "orders": {"$sum": 1},
            }
        },
        {"$match": {"orders": {"$gt": 1}}},
    ]
    async for row in view.aggregate("orders", pipeline):
        key = row["_id"]
        yield Finding(
            row["last"],
            f"{row['orders']} orders of {key['sender']} by {key['placed_by']}, {row['first']} among them",
        )


async def order_has_receipt(view: View) -> AsyncIterator[Finding]:
    """An order was made by a PlaceOrder that was received, in one transaction with its receipt."""
    async for chunk in chunks(view.find("orders", {}, ("placed_by", "placed_at"))):
        young = {row["_id"]: f"carts/{row['placed_by']}" for row in chunk if view.kept(row["placed_at"])}
        known = await view.known("receipts", young.values(), "status")
        for order_id, receipt in young.items():
            if receipt not in known:
                yield Finding(order_id, f"no receipt {receipt}")
            elif known[receipt]["status"] not in DONE:
                yield Finding(order_id, f"its receipt {receipt} is {known[receipt]['status']}")


async def receipt_has_order(view: View) -> AsyncIterator[Finding]:
    """A PlaceOrder that succeeded left its order."""
    where = {"type": "PlaceOrder", "status": Outcome.SUCCEEDED.value}
    async for chunk in chunks(view.find("receipts", where, ("resource",))):
        meant = {row["_id"]: str(row["resource"]).partition("/")[2] for row in chunk}
        known = await view.known("orders", meant.values())
        for receipt, order_id in meant.items():
            if order_id not in known:
                yield Finding(
                    receipt, f"it succeeded, and order {order_id or 'without an id'} does not exist"
                )


def history_follows_moves(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001 - the signature of all
    """Its history follows the table of moves from `placed` to its state, and its rev counts every change.

    One change is not in the history: that a refund was asked for (`cancelling`, until it is refunded).
    """
    order = case.order
    if order is None:
        return
    path = tuple(change["status"] for change in order["history"])
    revs = [change["rev"] for change in order["history"]]
    wrong = _off_the_table(path, order["status"])
    if wrong is not None:
        yield Finding(case.id, wrong)
        return
    asked = order["rev"] - len(revs)
    possible = (1,) if order["cancelling"] else (0, 1) if path[-1] == S.REFUNDED.value else (0,)
    rising = all(before < after for before, after in pairwise(revs))
    if asked not in possible or not rising or revs[0] != 1 or revs[-1] > order["rev"]:
        yield Finding(case.id, f"rev {order['rev']}, and its history has revs {revs}")


@lru_cache(PATHS_KEPT)
def _off_the_table(path: tuple[str, ...], status: str) -> str | None:
    """What is wrong with a way through the table of moves; there are few ways, and many orders."""
    if not path or path[0] != S.PLACED.value or path[-1] != status:
        return f"{status}, but its history is {' -> '.join(path) or 'empty'}"
    for before, after in pairwise(path):
        if S(after) not in MOVES[S(before)]:
            return f"it went from {before} to {after}"
    return None


def total_adds_up(case: Case, view: View) -> Iterator[Finding]:  # noqa: ARG001
    """Its total is that of its lines and the shipping."""
    order = case.order
    if order is None:
        return
    lines = sum(line["quantity"] * line["unit_price"] for line in order["lines"])
    if order["subtotal"] != lines or order["total"] != lines + order["shipping"]:
        yield Finding(
            case.id,
            f"lines {lines}, subtotal {order['subtotal']}, shipping {order['shipping']}, total {order['total']}",
        )


def due_until_settled(case: Case, view: View) -> Iterator[Finding]:
    """An unpaid order has a due time and does not outlive it; a settled one has none."""
    order = case.order
    if order is None:
        return
    placed = order["status"] == S.PLACED.value
    if placed != (order["due_at"] is not None):
        yield Finding(case.id, f"{order['status']}, due at {order['due_at']}")
    elif placed and view.late(order["due_at"]):
        detail = f"placed, and due since {order['due_at']:%F %T}Z"
        yield stuck(case, view, ("payments", "orders"), detail, order["due_at"])

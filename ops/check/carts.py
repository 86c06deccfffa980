"""Carts: every revision has its receipt, and a merge loses no lines."""

from collections.abc import AsyncIterator

from broker.outbox import derived_id
from documents.carts import CartStatus
from documents.operations import Outcome
from ops.check.findings import Finding
from ops.check.view import Row, Side, View, chunks, merged

CART_FIELDS = ("rev", "status", "merged_into", "updated_at", "lines")
MERGED = CartStatus.MERGED.value


async def rev_has_receipts(view: View) -> AsyncIterator[Finding]:
    """A cart's rev is that of its last receipt: no change without a message, no message lost on another's change.

    A merged cart has one revision more: its own receipt takes the outcome of the last step. What was rejected changed
    nothing, except where a refused merge gave the cart its lines back; a replay that was rejected names a revision too.
    """
    unchanged = [
        {"handed_on": True},
        {"status": Outcome.REJECTED.value, "replay": {"$ne": None}, "type": {"$ne": "ReopenCart"}},
    ]
    last: list[Row] = [
        {"$match": {"group": "carts", "rev": {"$gt": 0}, "type": {"$ne": "MergeCart"}, "$nor": unchanged}},
        {"$group": {"_id": "$key", "rev": {"$max": "$rev"}}},
        {"$sort": {"_id": 1}},
    ]
    streams = merged(
        Side(await view.ordered("carts", {}, {"rev": 1, "status": 1, "updated_at": 1}, "_id"), "_id"),
        Side(await view.sums("receipts", last), "_id"),
    )
    async for cart_id, (carts, receipts) in streams:
        known = receipts[0]["rev"] if receipts else 0
        if not carts:
            yield Finding(cart_id, f"its receipts tell of revision {known}, and there is no cart")
            continue
        view.count("carts")
        cart = carts[0]
        told = known + (1 if cart["status"] == MERGED else 0)
        if cart["rev"] != told and view.kept(cart["updated_at"]):
            yield Finding(cart_id, f"rev {cart['rev']}, its receipts tell of {told}")


async def merged_is_closed(view: View) -> AsyncIterator[Finding]:
    """A merged cart is empty and names the cart that took its lines, as its merge's receipt does; an open one none."""
    where = {
        "type": "MergeCart",
        "status": {"$in": [Outcome.SUCCEEDED.value, Outcome.PENDING.value]},
    }
    streams = merged(
        Side(
            view.find(
                "carts", {"$or": [{"status": MERGED}, {"merged_into": {"$ne": None}}]}, CART_FIELDS, "_id"
            ),
            "_id",
        ),
        Side(view.find("receipts", where, ("key", "resource"), "key"), "key"),
    )
    async for cart_id, (carts, receipts) in streams:
        into = {str(each["resource"]).partition("/")[2] for each in receipts} - {cart_id}
        if not carts:
            if into:
                yield Finding(cart_id, f"its merge into {', '.join(sorted(into))} succeeded, and it is open")
            continue
        cart = carts[0]
        if cart["status"] != MERGED:
            yield Finding(cart_id, f"it is open, and says that {cart['merged_into']} took its lines")
        elif cart["lines"] or cart["merged_into"] is None:
            lines = len(cart["lines"])
            yield Finding(cart_id, f"merged into {cart['merged_into']}, and {lines} lines are still in it")
        elif cart["merged_into"] not in into and view.kept(cart["updated_at"]):
            yield Finding(cart_id, f"merged into {cart['merged_into']}, and no receipt says so")


async def merge_arrives(view: View) -> AsyncIterator[Finding]:
    """The lines of a merged cart arrive: a merge that succeeded was taken in by the other cart."""
    where = {"type": "MergeCart", "status": Outcome.SUCCEEDED.value}
    async for chunk in chunks(view.find("receipts", where, ("message_id", "key", "resource"))):
        second = {
            row["_id"]: f"carts/{derived_id(row['message_id'], 'AbsorbCart', 0)}"
            for row in chunk
            if row["resource"] != f"carts/{row['key']}"  # into itself: nothing to do
        }
        known = await view.known("receipts", second.values(), "status")
        for receipt, step in second.items():
            if step not in known or known[step]["status"] != Outcome.SUCCEEDED.value:
                yield Finding(receipt, f"it succeeded, and its second step {step} did not")

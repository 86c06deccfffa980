"""A receipt that is missing is named, whichever group's it is; one that has had its time is not missed."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from documents.actors import utc_now
from documents.operations import RECEIPT_LIFETIME
from ops.check import Report, check
from tests.ops.test_check.plants import Plants


def named(report: Report) -> dict[str, list[str]]:
    """Ids by the invariant that they break."""
    return {
        result.name: sorted(each.id for each in result.listed)
        for result in report.results
        if result.violations
    }


@pytest.mark.parametrize(
    ("group", "type_"),
    [
        ("catalog", "PutBook"),
        ("carts", "PlaceOrder"),
        ("orders", "PaymentAuthorized"),
        ("orders", "ShipmentDispatched"),
        ("orders", "CancelOrder"),
        ("orders", "PaymentRefunded"),
        ("payments", "OrderPlaced"),
        ("payments", "OrderShipped"),
        ("payments", "RefundRequested"),
        ("shipments", "OrderConfirmed"),
        ("shipments", "DispatchShipment"),
        ("notifications", "OrderPlaced"),
        ("notifications", "OrderConfirmed"),
        ("notifications", "OrderShipped"),
        ("notifications", "OrderRefunded"),
    ],
)
async def test_a_receipt_that_is_missing_is_named(plants: Plants, group: str, type_: str) -> None:
    """Whatever an order's life leaves a receipt of, its loss breaks a promise."""
    order = await plants.one("orders", plants.orders["refunded"])
    about = {"PutBook": {}, "PlaceOrder": {"message_id": order["placed_by"]}}.get(
        type_, {"key": order["_id"]}
    )
    gone = await plants.database["receipts"].delete_one({"group": group, "type": type_, **about})
    assert gone.deleted_count == 1
    assert named(await check(plants.database, settle_s=0)), f"nobody misses {type_} in {group}"


async def test_many_missing_receipts_of_one_order_are_all_named(plants: Plants) -> None:
    """As a worker leaves it that notes nothing: the order is named by each of its parts."""
    order = plants.orders["refunded"]
    groups = {"$in": ["orders", "payments", "shipments", "notifications"]}
    await plants.database["receipts"].delete_many(
        {"group": groups, "key": order, "type": {"$ne": "ShipmentDispatched"}}
    )
    report = named(await check(plants.database, settle_s=0))
    assert report == {
        "order-rev": [order],
        "payment-receipt": [order] * 3,
        "parcel-receipt": [order] * 2,
        "mail-receipt": [order] * 4,
    }


async def test_receipts_that_have_had_their_time_are_not_missed(plants: Plants) -> None:
    """What an order did more than 30 days ago has no receipts any more, and what it did since still needs them."""
    order, old = plants.orders["refunded"], utc_now() - RECEIPT_LIFETIME - timedelta(days=1)
    for collection in ("orders", "payments", "shipments"):
        found = await plants.one(collection, order)
        await plants.change(
            collection,
            order,
            {"$set": {"history": _aged(found["history"][:-1], old) + found["history"][-1:]}},
        )
    last = (await plants.one("orders", order))["history"][-1]
    gone = {"key": order, "group": {"$in": ["orders", "payments", "shipments", "notifications"]}}
    kept = {
        "$in": [
            "PaymentRefunded",
            "RefundRequested",
            "DispatchShipment",
            "OrderRefunded",
            "ShipmentDispatched",
        ]
    }
    await plants.database["receipts"].delete_many({**gone, "type": {"$not": kept}})
    report = named(await check(plants.database, settle_s=0))
    assert "order-rev" not in report
    assert not {"payment-receipt", "parcel-receipt", "mail-receipt"} & report.keys()
    await plants.database["receipts"].delete_one({**gone, "type": "PaymentRefunded", "rev": last["rev"]})
    assert named(await check(plants.database, settle_s=0))["order-rev"] == [order]


def _aged(history: list[dict[str, Any]], at: datetime) -> list[dict[str, Any]]:
    return [{**change, "at": at} for change in history]

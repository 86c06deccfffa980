"""Actors: messages that cannot be processed."""

from typing import Any

import pytest

from broker.groups import Desk, Effects
from broker.messages import (
    AddItem,
    Sender,
)
from documents.actors import utc_now
from documents.carts import Cart
from documents.operations import RECEIPT_LIFETIME
from handlers.carts import CARTS, add_item
from tests.broker.house import ISBN, House, add, body_of, envelope_of, shopper, until
from tests.broker.test_actors.groups import carts_with


async def test_a_handlers_bug_takes_no_neighbour_along(house: House) -> None:
    """The others of the batch commit; the broken one stands in carts.dead with its story, its receipt says failed."""
    await house.sell()

    def explosive(cart: Cart, command: AddItem, desk: Desk) -> Effects:
        effects = add_item(cart, command, desk)
        if command.quantity == 13:
            raise RuntimeError("thirteen")
        return effects

    sender, cart_id = shopper(1)
    ids = [await house.send(add(cart_id, quantity), sender) for quantity in (1, 13, 2)]
    other, other_cart = shopper(2)
    ids.append(await house.send(add(other_cart), other))
    await house.worker(carts_with(explosive))
    receipts = await house.receipts(ids)
    assert [receipt["status"] for receipt in receipts] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert receipts[1]["problem"]["code"] == "operation_failed"
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 3
    letter = await house.get("carts.dead")
    assert letter.message_id == ids[1]
    assert body_of(letter)["data"]["quantity"] == 13
    assert letter.headers["x-quire-reason"] == "handler raised"
    assert letter.headers["x-quire-error"] == "RuntimeError: thirteen"
    assert str(letter.headers["x-quire-origin-queue"]).startswith("carts.")
    assert letter.headers["x-quire-attempts"] == 1
    assert letter.headers["x-quire-first-failed-at"]
    assert letter.headers["x-quire-last-failed-at"]
    await house.outbox_empty()


SENDER = Sender("user:1")
ODD: dict[str, Any] = {
    "no JSON": b"\xff\x00 not json",
    "no envelope": b"{}",
    "unknown type": {"type": "AddPony"},
    "unknown version": {"version": 99},
    "wrong schema": {"data": b'{"cart_id": "c"}'},
    "quantity beyond reason": {
        "data": b'{"cart_id":"c","isbn":"9786600000004","quantity":1' + b"0" * 40 + b"}"
    },
    "negative quantity": {"data": b'{"cart_id":"c","isbn":"9786600000004","quantity":-1}'},
    "another key": {"key": "another"},
    "an id that no property holds": {"id": "x" * 300},
    "an empty id": {"id": ""},
    "a bloated envelope": {"fingerprint": "f" * 20_000},
}


@pytest.mark.parametrize("what", ODD)
async def test_what_cannot_be_decoded_is_a_dead_letter_and_nobody_else_notices(
    house: House, what: str
) -> None:
    """The body arrives untouched in carts.dead, the receipt says failed, and the next command is worked off."""
    await house.sell()
    odd = ODD[what]
    if isinstance(odd, dict):
        fields = {name: _raw(value) if name == "data" else value for name, value in odd.items()}
        odd = envelope_of(add("c"), SENDER, **fields).to_bytes()
    await house.raw(odd, "carts.3", message_id="raw-1")
    await house.worker(CARTS)
    sender, cart_id = shopper(1)
    fine = await house.send(add(cart_id), sender)
    assert (await house.receipt(fine))["status"] == "succeeded"
    letter = await house.get("carts.dead")
    assert letter.body == odd
    assert letter.headers["x-quire-origin-queue"] == "carts.3"
    assert letter.headers["x-quire-reason"] == "undecodable"
    failed = await until(lambda: house.database.receipts.find_one({"status": "failed"}), "a failed receipt")
    assert failed["problem"]["reason"] == "undecodable"
    await house.outbox_empty()
    await house.empty("carts.3")


def _raw(data: bytes) -> Any:
    import msgspec

    return msgspec.Raw(data)


async def test_a_message_older_than_receipts_is_dead_lettered(house: House) -> None:
    """Nobody could tell whether it was processed before."""
    await house.sell()
    await house.worker(CARTS)
    sender, cart_id = shopper(1)
    old = await house.send(add(cart_id), sender, accepted_at=utc_now() - RECEIPT_LIFETIME * 1.01)
    assert (await house.receipt(old))["problem"]["reason"] == "expired"
    assert (await house.get("carts.dead")).headers["x-quire-reason"] == "expired"

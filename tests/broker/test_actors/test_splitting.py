"""Actors: a batch that the database refuses is split until the bad one stands alone."""

import time
from dataclasses import replace

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from broker.actors.apply import Decided, Loaded
from broker.actors.store import Store
from broker.groups import Desk, Effects, Transient
from broker.messages import (
    AddItem,
)
from broker.topology import BY_NAME, slot_of
from documents.carts import Cart
from handlers.carts import CARTS, add_item
from tests.broker.house import ISBN, House, add, place, shopper
from tests.broker.test_actors.groups import carts_with


async def test_a_batch_that_the_database_refuses_is_split_until_the_bad_one_stands_alone(
    house: House,
) -> None:
    """One message whose receipt is beyond MongoDB's 16 MB: its neighbours commit, in order; it is dead-lettered."""

    def bloated(cart: Cart, command: AddItem, desk: Desk) -> Effects:
        effects = add_item(cart, command, desk)
        return replace(effects, result={"note": "x" * (17 << 20)}) if desk.envelope.id == "big" else effects

    await house.sell()
    ids = []
    for number in range(9):
        sender, cart_id = shopper(number % 3)
        ids.append(await house.send(add(cart_id), sender, "big" if number == 4 else None))
    await house.worker(carts_with(bloated))
    receipts = await house.receipts(ids)
    assert [receipt["status"] for receipt in receipts].count("failed") == 1
    assert receipts[4]["problem"]["reason"] == "could not be written"
    # A failed one keeps the revision at which it found its actor: a replay is measured by it.
    assert [receipt["rev"] for receipt in receipts] == [1, 1, 1, 2, 1, 2, 3, 2, 3]
    letter = await house.get("carts.dead")
    assert (letter.message_id, letter.headers["x-quire-reason"]) == ("big", "could not be written")


async def test_a_split_keeps_an_actors_order_also_where_its_head_is_to_wait(house: House) -> None:
    """What follows in another part of a split waits behind its head instead of overtaking it."""
    tries = 0

    def awkward(cart: Cart, command: AddItem, desk: Desk) -> Effects:
        nonlocal tries
        effects = add_item(cart, command, desk)
        if desk.envelope.id == "first":
            time.sleep(0.05)
        if desk.envelope.id == "waits":
            tries += 1
            if 2 <= tries < 5:  # not before the batch is split
                raise Transient("not now")
        return replace(effects, result={"n": 1 << 70}) if desk.envelope.id == "big" else effects

    await house.sell()
    sender, cart_id = shopper(1)
    carts = BY_NAME["carts"]
    partition = carts.queue_of(slot_of(cart_id))
    other, other_cart = next(
        each for each in map(shopper, range(2, 99)) if carts.queue_of(slot_of(each[1])) == partition
    )
    await house.send(add(other_cart), other, "first")
    await house.send(add(other_cart), other, "big")
    ids = [await house.send(add(cart_id), sender, "waits" if n == 0 else None) for n in range(8)]
    await house.worker(carts_with(awkward))
    receipts = await house.receipts(ids)
    assert [receipt["rev"] for receipt in receipts] == list(range(1, 9))
    assert receipts[0]["attempts"] == 4
    assert (await house.receipt("big"))["problem"]["reason"] == "could not be written"


async def test_a_second_order_with_a_known_id_fails_alone_and_for_good(house: House) -> None:
    """A unique key that another document holds is no race that passes: no loop, a dead letter."""
    await house.sell()
    await house.worker(CARTS)
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender)
    first = await house.send(place(cart_id, "o"), sender)
    assert (await house.receipt(first))["status"] == "succeeded"
    await house.send(add(cart_id), sender)
    second = await house.send(place(cart_id, "o"), sender)
    assert (await house.receipt(second))["problem"]["reason"] == "could not be written"
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 1
    assert (await house.balanced())["reserved"] == 1


async def test_a_transaction_that_outlived_its_time_is_redone_in_halves(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redone as it was it would never end: the server ends what holds more than two, until no part holds more."""
    write = Store.write
    sizes = []

    async def outlived(store: Store, loaded: Loaded, decided: Decided, session: AsyncClientSession) -> None:
        sizes.append(len(decided.receipts))
        if len(decided.receipts) > 2:
            await store.client.admin.command("killSessions", [session.session_id])
        await write(store, loaded, decided, session)

    monkeypatch.setattr(Store, "write", outlived)
    await house.sell()
    sender, cart_id = shopper(1)
    ids = [await house.send(add(cart_id), sender) for _ in range(9)]
    await house.worker(CARTS)
    receipts = await house.receipts(ids)
    assert [receipt["rev"] for receipt in receipts] == list(range(1, 10))
    assert {receipt["status"] for receipt in receipts} == {"succeeded"}
    assert max(sizes) > 2

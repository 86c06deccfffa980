"""Actors end to end: order, exactly once, and messages that cannot be processed."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from broker.groups import Desk, Effects, Transient
from broker.messages import (
    SYSTEM,
    AddItem,
    CancelOrder,
    MergeCart,
    PaymentAuthorized,
    RemoveItem,
    Sender,
    SetItem,
)
from broker.replies import Replies
from broker.telemetry import Round, Telemetry, Traced
from broker.topology import BY_NAME, slot_of
from documents.actors import utc_now
from documents.carts import Cart
from documents.operations import RECEIPT_LIFETIME
from handlers.carts import CARTS, add_item
from handlers.catalog import CATALOG
from handlers.orders import ORDERS
from tests.broker.house import ALL, ISBN, House, add, body_of, cut, envelope_of, place, shopper, until


def carts_with(handler: Any, kind: Any = AddItem) -> Any:
    """The carts' group with one handler changed."""
    return replace(CARTS, handlers={**CARTS.handlers, kind: handler})


async def test_commands_of_one_cart_take_effect_in_the_order_of_their_acceptance(house: House) -> None:
    """64 carts at once, each sees its own commands one by one, in batches of many."""
    await house.sell()
    sizes: list[int] = []
    seen: dict[str, list[int]] = {}

    class Sizes(Telemetry):
        def round(self, name: str, members: Sequence[Traced]) -> Round:
            sizes.append(len(members))
            return super().round(name, members)

    def noted(cart: Cart, command: SetItem, desk: Desk) -> Effects:
        seen.setdefault(desk.envelope.id, []).append(cart.rev)
        return CARTS.handlers[SetItem](cart, command, desk)

    async def shop(number: int) -> list[str]:
        sender, cart_id = shopper(number)
        return [
            await house.send(SetItem(cart_id=cart_id, isbn=ISBN, quantity=n + 1), sender, f"{number}-{n}")
            for n in range(12)
        ]

    sent = await asyncio.gather(*(shop(number) for number in range(64)))
    await house.worker(carts_with(noted, SetItem), telemetry=Sizes())
    for number, ids in enumerate(sent):
        receipts = await house.receipts(ids)
        assert [receipt["rev"] for receipt in receipts] == list(range(1, 13))
        assert (await house.cart(shopper(number)[1]))["lines"][ISBN]["quantity"] == 12
    assert max(sizes) > 20
    await house.empty("carts.0", "carts.7")


async def test_an_id_that_comes_twice_takes_effect_once_and_is_answered_twice(house: House) -> None:
    """In one batch, in a later one, and after a restart: the same outcome, one effect."""
    await house.sell()
    sender, cart_id = shopper(1)
    for _ in range(2):
        await house.send(add(cart_id), sender, "twice")
    first = await house.worker(CARTS)
    receipt = await house.receipt("twice")
    await house.send(add(cart_id), sender, "twice")
    after = await house.send(add(cart_id), sender)
    await house.receipt(after)
    await house.stop(first)
    await house.worker(CARTS)
    await house.send(add(cart_id, 5), sender, "twice")
    last = await house.send(add(cart_id), sender)
    await house.receipt(last)
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 3
    assert await house.receipt("twice") == receipt
    await house.empty("carts.0")


async def test_who_waits_is_answered_with_the_receipt_also_the_second_time(house: House) -> None:
    """The reply carries status, resource, revision and fingerprint; a repeat gets the same."""
    await house.sell()
    sender, cart_id = shopper(1)
    replies = Replies("test")
    channel = await house.channel()
    await replies.consume(channel)
    await house.worker(CARTS)
    answers = []
    for _ in range(2):
        future = replies.expect("m1")
        await house.send(add(cart_id), sender, "m1", reply_to=replies.queue, fingerprint="f")
        answers.append(await asyncio.wait_for(future, 10))
    assert answers[0] == answers[1]
    assert (answers[0].status, answers[0].resource, answers[0].rev) == ("succeeded", f"carts/{cart_id}", 1)
    assert answers[0].fingerprint == "f"


async def test_a_refused_command_leaves_a_receipt_with_its_code(house: House) -> None:
    """`not_for_sale`, `not_permitted`, `cart_empty`, `not_found`: outcomes, not errors; nothing is written but that."""
    await house.sell()
    await house.worker(CARTS, ORDERS)
    sender, cart_id = shopper(1)
    stranger, _ = shopper(2)
    ids = [
        await house.send(add(cart_id, isbn="9786600000011"), sender),
        await house.send(add(cart_id), stranger),
        await house.send(place(cart_id, "o1"), sender),
    ]
    assert [receipt["problem"]["code"] for receipt in await house.receipts(ids)] == [
        "not_for_sale",
        "not_permitted",
        "cart_empty",
    ]
    unknown = await house.receipt(await house.send(CancelOrder(order_id="none"), sender), "orders")
    assert (unknown["status"], unknown["problem"]["code"]) == ("rejected", "not_found")
    assert await house.database.carts.count_documents({}) == 0


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


async def test_a_refused_event_waits_in_place_and_only_its_actor_with_it(house: House) -> None:
    """An event about an order that is not there yet: the order's other messages queue up behind it, others go on."""
    await house.sell()
    await house.worker(*ALL)
    early = await house.send(PaymentAuthorized(order_id="late", amount=1, currency="EUR"))
    behind = await house.send(CancelOrder(order_id="late"), SYSTEM)
    other = await house.send(CancelOrder(order_id="other"), SYSTEM)
    assert (await house.receipt(other, "orders"))["problem"]["code"] == "not_found"
    assert await house.database.receipts.count_documents({"message_id": {"$in": [early, behind]}}) == 0
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender)
    await house.send(place(cart_id, "late"), sender)
    assert (await house.receipt(early, "orders"))["attempts"] > 1
    assert (await house.receipt(behind, "orders"))["status"] == "succeeded"
    order = await house.database.orders.find_one({"_id": "late"})
    assert order is not None
    assert [change["status"] for change in order["history"]] == ["placed", "confirmed", "cancelled"]


async def test_an_event_that_is_refused_for_too_long_is_dead_lettered_and_its_followers_go_on(
    house: House,
) -> None:
    """The limit passed, it stands in orders.dead as spent, with the attempts it had."""
    await house.worker(ORDERS, in_place_limit_s=0.3)
    lost = await house.send(PaymentAuthorized(order_id="never", amount=1, currency="EUR"))
    behind = await house.send(CancelOrder(order_id="never"), SYSTEM)
    failed = await house.receipt(lost, "orders")
    letter = await house.get("orders.dead")
    assert letter.headers["x-quire-reason"] == "attempts spent"
    assert letter.headers["x-quire-attempts"] == failed["attempts"] > 1
    assert str(letter.headers["x-quire-first-failed-at"]) < str(letter.headers["x-quire-last-failed-at"])
    assert (await house.receipt(behind, "orders"))["problem"]["code"] == "not_found"


async def test_one_actor_holds_back_at_most_half_of_a_partitions_prefetch(house: House) -> None:
    """Behind a mailbox that waits, 49 may gather; then its head has waited long enough, and they go on."""
    calls: list[str] = []

    def waits(cart: Cart, command: AddItem, desk: Desk) -> Effects:
        calls.append(desk.envelope.id)
        if desk.envelope.id == "head":
            raise Transient("not now")
        return add_item(cart, command, desk)

    await house.sell()
    await house.worker(carts_with(waits))
    sender, cart_id = shopper(1)
    await house.send(add(cart_id), sender, "head")

    async def tried() -> bool:
        return bool(calls)

    await until(tried, "a first attempt")
    ids = [await house.send(add(cart_id), sender) for _ in range(60)]
    assert (await house.receipt("head"))["status"] == "failed"
    assert {receipt["status"] for receipt in await house.receipts(ids)} == {"succeeded"}
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 60


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


async def test_a_document_that_cannot_be_read_fails_its_own_messages_only(house: House) -> None:
    """A cart of another shape: its command is dead-lettered, the neighbours' carts are worked off."""
    await house.sell()
    sender, cart_id = shopper(1)
    other, other_cart = shopper(2)
    await house.database.carts.insert_one({"_id": cart_id, "rev": 1, "lines": "none"})
    ids = [await house.send(add(cart_id), sender), await house.send(add(other_cart), other)]
    await house.worker(CARTS)
    assert [receipt["status"] for receipt in await house.receipts(ids)] == ["failed", "succeeded"]


async def test_a_document_changed_behind_the_loops_back_is_read_again(house: House) -> None:
    """The fence: another owner wrote between reading and writing; the command is applied to what is there now."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    pymongo = house.sync_database()
    sender, cart_id = shopper(1)

    def meanwhile(cart: Cart, command: AddItem, desk: Desk) -> Effects:
        if not changed.is_set():
            line = {"title": "T", "quantity": 40, "unit_price": 1}
            update = {"$set": {f"lines.{ISBN}": line, "currency": "EUR"}, "$inc": {"rev": 1}}
            pymongo.carts.update_one({"_id": cart_id}, update)
            loop.call_soon(changed.set)
            changed.set()
        return add_item(cart, command, desk)

    await house.sell()
    first = await house.worker(CARTS)
    await house.receipt(await house.send(add(cart_id), sender))
    await house.stop(first)
    await house.worker(carts_with(meanwhile))
    receipt = await house.receipt(await house.send(add(cart_id, 2), sender))
    assert (receipt["rev"], receipt["attempts"]) == (3, 1)
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 42


async def test_two_owners_of_a_partition_do_everything_once_and_in_order(house: House) -> None:
    """A worker loses its connection in the middle and goes on with what it holds while another one takes over."""
    await house.sell()
    first = await house.worker(CARTS)
    await house.worker(CARTS)

    async def shop(number: int) -> list[str]:
        sender, cart_id = shopper(number)
        return [await house.send(add(cart_id), sender) for _ in range(25)]

    async def cutting() -> None:
        for _ in range(3):
            await until(lambda: house.database.receipts.find_one({}), "a receipt")
            await cut(first)

    sent, _ = await asyncio.gather(asyncio.gather(*(shop(number) for number in range(16))), cutting())
    for number, ids in enumerate(sent):
        assert [receipt["rev"] for receipt in await house.receipts(ids)] == list(range(1, 26))
        assert (await house.cart(shopper(number)[1]))["lines"][ISBN]["quantity"] == 25
    await house.empty(*PARTITIONS)


PARTITIONS = tuple(f"carts.{n}" for n in range(8))


async def test_a_merge_ends_with_its_second_step(house: House) -> None:
    """It is pending until the lines have arrived; then it has the target's revision, and its sender hears."""
    await house.sell()
    replies = Replies("test")
    await replies.consume(await house.channel())
    guest = Sender("guest:g", holds=("g",))
    sender, cart_id = shopper(1)
    both = Sender(sender.id, holds=("g",))
    worker = await house.worker(CARTS, CATALOG)
    await house.send(add("g", 2), guest)
    await house.send(add(cart_id, 1), sender)
    future = replies.expect("merge")
    await house.send(
        MergeCart(cart_id="g", into=cart_id), both, "merge", reply_to=replies.queue, fingerprint="f"
    )
    reply = await asyncio.wait_for(future, 10)
    receipt = await house.receipt("merge")
    assert (reply.status, reply.message_id, reply.fingerprint) == ("succeeded", "merge", "f")
    assert (receipt["status"], receipt["rev"], receipt["resource"]) == ("succeeded", 2, f"carts/{cart_id}")
    assert (await house.cart(cart_id))["lines"][ISBN]["quantity"] == 3
    closed = await house.cart("g")
    assert (closed["status"], closed["lines"]) == ("merged", {})
    gone = await house.send(RemoveItem(cart_id="g", isbn=ISBN), guest)
    assert (await house.receipt(gone))["problem"]["code"] == "cart_merged"
    assert worker.healthy

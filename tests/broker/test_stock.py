"""Stock under many orders: never oversold, and never lost."""

import asyncio
from typing import Any

from broker.groups import Effects
from broker.messages import CancelOrder, Envelope, OrderPlaced, PaymentDeclined, SetStock
from broker.topology import EVENTS_EXCHANGE
from handlers.carts import CARTS
from handlers.catalog import CATALOG
from handlers.orders import ORDERS
from tests.broker.house import ISBN, House, add, place, shopper, unordered, until


async def fill(house: House, count: int) -> list[str]:
    """Carts with one copy each; the ids of the commands."""
    return [await house.send(add(shopper(n)[1]), shopper(n)[0]) for n in range(count)]


async def order(house: House, count: int) -> list[str]:
    """Every cart is ordered; the ids of the commands."""
    ids = []
    for number in range(count):
        sender, cart_id = shopper(number)
        ids.append(await house.send(place(cart_id, f"o{number}"), sender))
    return ids


async def test_fifty_orders_of_ten_copies_sell_exactly_ten(house: House) -> None:
    """Ten get their copy; the others are told `out_of_stock`, and keep their carts."""
    await house.sell(stock=10)
    await house.worker(CARTS)
    await house.worker(ORDERS, CATALOG)
    await house.receipts(await fill(house, 50))
    receipts = await house.receipts(await order(house, 50))
    assert sorted(receipt["status"] for receipt in receipts) == ["rejected"] * 40 + ["succeeded"] * 10
    codes = {receipt["problem"]["code"] for receipt in receipts if receipt["status"] == "rejected"}
    assert codes == {"out_of_stock"}
    stock = await house.balanced()
    assert (stock["on_hand"], stock["reserved"], stock["available"]) == (10, 10, 0)
    assert await house.database.orders.count_documents({}) == 10
    assert await house.database.carts.count_documents({f"lines.{ISBN}": {"$exists": True}}) == 40


async def test_workers_that_pull_at_one_title_all_get_through(house: House) -> None:
    """One reserves, another gives back, a third counts, all at once: everything ends, and the ledger sums up."""

    async def decline(event: OrderPlaced, _desk: Any) -> Effects:
        return Effects(messages=(PaymentDeclined(order_id=event.order_id, reason="no"),))

    await house.sell(stock=100)
    await house.worker(CARTS)
    await house.worker(ORDERS)
    await house.worker(CATALOG, unordered("payments", decline))
    await house.receipts(await fill(house, 40))

    async def count() -> list[str]:
        ids = []
        for n in range(20):
            ids.append(await house.send(SetStock(isbn=ISBN, on_hand=100 + n)))
            await asyncio.sleep(0)
        return ids

    placed, counted = await asyncio.gather(order(house, 40), count())
    assert {receipt["status"] for receipt in await house.receipts(placed)} == {"succeeded"}
    assert {receipt["status"] for receipt in await house.receipts(counted, "catalog")} == {"succeeded"}

    async def cancelled() -> bool:
        return await house.database.orders.count_documents({"status": "cancelled"}) == 40

    await until(cancelled, "40 cancelled orders")
    stock = await house.balanced()
    assert (stock["on_hand"], stock["reserved"]) == (119, 0)
    assert await house.database.receipts.count_documents({"status": "failed"}) == 0


async def test_crossing_zero_flips_the_flag_and_tells_of_it(house: House) -> None:
    """Sold out and back again: `available` follows in the same transaction, each time with one BookChanged."""
    channel = await house.channel()
    heard = await channel.declare_queue("heard", exclusive=True)
    await heard.bind(EVENTS_EXCHANGE, "BookChanged.*")
    await house.sell(stock=2)
    await house.worker(CARTS, ORDERS, CATALOG)
    await house.receipts(await fill(house, 2))
    flags = []
    for number in range(2):
        sender, cart_id = shopper(number)
        await house.receipt(await house.send(place(cart_id, f"o{number}"), sender))
        flags.append(await flag(house))
    cancel = await house.send(CancelOrder(order_id="o0"), shopper(0)[0])
    await house.receipt(cancel, "orders")
    flags.append(await flag(house))
    assert flags == [True, False, True]
    await house.outbox_empty()
    told = [await until(lambda: heard.get(fail=False), "BookChanged") for _ in range(2)]
    assert [Envelope.from_bytes(message.body).key for message in told] == [ISBN, ISBN]
    assert await heard.get(fail=False) is None


async def test_the_first_count_of_a_known_title_is_told(house: House) -> None:
    """A page that was cached while nobody had counted the title is dropped."""
    channel = await house.channel()
    heard = await channel.declare_queue("heard first", exclusive=True)
    await heard.bind(EVENTS_EXCHANGE, "BookChanged.*")
    await house.sell(stock=0)
    await house.database.stock.delete_many({})
    await house.worker(CATALOG)
    await house.receipt(await house.send(SetStock(isbn=ISBN, on_hand=3)), "catalog")
    assert await flag(house)
    message = await until(lambda: heard.get(fail=False), "BookChanged")
    assert Envelope.from_bytes(message.body).key == ISBN


async def flag(house: House) -> bool:
    """Whether the catalogue says that copies are left."""
    book = await house.database.books.find_one({"_id": ISBN})
    assert book is not None
    return bool(book["available"])

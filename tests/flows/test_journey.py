"""What shoppers and staff do, from the first page to the delivery."""

import asyncio
import secrets
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from ops.demo.journey import Journey
from ops.demo.shop import ADDRESS, WAIT, Refused, Shop


async def test_a_shopper_buys_and_a_declined_card_gives_the_stock_back(shop: Shop, staff: Shop) -> None:
    """The journey of `quire demo` comes to its end, step by step, whatever the broker."""
    steps: list[str] = []
    await Journey(shop, staff, lambda step, _: steps.append(step)).run()
    assert steps[-3:] == ["placed", "cancelled", "stock"]
    assert [step for step in steps if step in ("placed", "confirmed", "shipped", "delivered")] == [
        "placed",
        "confirmed",
        "shipped",
        "delivered",
        "placed",
    ]


async def test_fifty_buyers_of_ten_copies(shop: Shop, staff: Shop) -> None:
    """Of fifty who order one copy at once, ten get one and forty read that it is out of stock."""
    page = await shop.search(available=True, limit=1)
    isbn = page["items"][0]["isbn"]
    held = (await staff.stock(isbn))["reserved"]  # by the orders of other journeys
    await staff.command("PUT", f"/books/{isbn}/stock", {"on_hand": held + 10})

    async def buy() -> str:
        cart = await shop.new_cart()
        guest = shop.holding(Cart_Token=cart["token"])
        await guest.add(cart["id"], isbn)
        try:
            await guest.order(cart["id"], "tok_ok", email="ada@example.org")
        except Refused as refused:
            return refused.code
        return "bought"

    outcomes = await asyncio.gather(*(buy() for _ in range(50)))
    assert sorted(outcomes) == ["bought"] * 10 + ["out_of_stock"] * 40
    stock = await staff.stock(isbn)
    assert (stock["on_hand"], stock["reserved"], stock["available"]) == (held + 10, held + 10, 0)
    book = await shop.call("GET", f"/books/{isbn}")
    assert book["available"] is False


async def test_the_same_key_orders_once(shop: Shop) -> None:
    """An order that is sent again with its Idempotency-Key is the same operation and the same order."""
    isbn = (await shop.search(available=True, limit=1))["items"][0]["isbn"]
    cart = await shop.new_cart()
    guest = shop.holding(Cart_Token=cart["token"])
    await guest.add(cart["id"], isbn)
    body = {
        "cart_id": cart["id"],
        "email": "ada@example.org",
        "shipping_address": ADDRESS,
        "shipping_method": "standard",
        "payment": {"token": "tok_ok"},
    }
    key = {"Idempotency-Key": secrets.token_hex(8)}
    first, second = await asyncio.gather(
        guest.call("POST", "/orders", body, **WAIT, **key), guest.call("POST", "/orders", body, **WAIT, **key)
    )
    assert first["status"] == second["status"] == "succeeded"
    assert first["result"]["id"] == second["result"]["id"]
    with pytest.raises(Refused) as refused:
        await guest.call("POST", "/orders", body | {"shipping_method": "express"}, **WAIT, **key)
    assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")


async def test_a_guests_mail_leads_to_the_order(shop: Shop, data: Path) -> None:
    """The link in the mail carries the token that opens the order: a guest who closed the page finds it again."""
    isbn = (await shop.search(available=True, limit=1))["items"][0]["isbn"]
    cart = await shop.new_cart()
    guest = shop.holding(Cart_Token=cart["token"])
    await guest.add(cart["id"], isbn)
    order = await guest.order(cart["id"], "tok_ok", email="ada@example.org")
    mail = data / "mail" / f"{order['id']}.OrderPlaced.eml"
    async with asyncio.timeout(20):
        while not mail.exists():  # noqa: ASYNC110 - a folder tells nobody
            await asyncio.sleep(0.05)
    parsed = message_from_bytes(mail.read_bytes(), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    plain = parsed.get_body(("plain",))
    assert plain is not None
    _, _, token = plain.get_content().partition(f"/orders/{order['id']}#token=")
    found = await shop.holding(Order_Token=token.split()[0]).call("GET", f"/orders/{order['id']}")
    assert found["id"] == order["id"]


@pytest.mark.parametrize("token", ["tok_flaky", "tok_slow"])
async def test_a_gateway_that_stumbles_still_confirms(shop: Shop, token: str) -> None:
    """A payment that fails at first, or takes its time, is confirmed in the end."""
    isbn = (await shop.search(available=True, limit=1))["items"][0]["isbn"]
    cart = await shop.new_cart()
    guest = shop.holding(Cart_Token=cart["token"])
    await guest.add(cart["id"], isbn)
    order = await guest.order(cart["id"], token, email="ada@example.org")
    buyer = shop.holding(Order_Token=order["token"])
    seen = []
    async for change in buyer.events(order["id"]):
        seen.append(change["status"])
        if change["status"] != "placed":
            break
    assert seen == ["placed", "confirmed"]


async def test_a_refund_after_the_parcel_left(shop: Shop, staff: Shop) -> None:
    """Cancelling a shipped order sends the money back: it ends refunded."""
    isbn = (await shop.search(available=True, limit=1))["items"][0]["isbn"]
    cart = await shop.new_cart()
    guest = shop.holding(Cart_Token=cart["token"])
    await guest.add(cart["id"], isbn)
    order = await guest.order(cart["id"], "tok_ok", email="ada@example.org")
    buyer = shop.holding(Order_Token=order["token"])
    parcel = {"carrier": "Demo Post", "tracking_number": "42"}
    async for change in buyer.events(order["id"]):
        if change["status"] == "confirmed":
            await staff.command("POST", f"/orders/{order['id']}/shipments", parcel)
        elif change["status"] == "shipped":
            await buyer.command("POST", f"/orders/{order['id']}/cancel")
        elif change["status"] == "refunded":
            break
    assert (await buyer.call("GET", f"/orders/{order['id']}"))["status"] == "refunded"

"""Buying a book, as people do it: guests, shoppers, with cards that fail and connections that break."""

import re
import secrets
from pathlib import Path

import pytest
from playwright.async_api import Request, Route, expect

from ops.demo.shop import Shop
from tests.web.conftest import NewVisit
from tests.web.looks import looked_at
from tests.web.visit import PASSWORD, a_title, answer_lost, at_price, keys_of, with_stock

pytestmark = pytest.mark.usefixtures("clerk")


def somebody() -> str:
    """A new e-mail address."""
    return f"reader-{secrets.token_hex(4)}@example.test"


async def test_guest_buys(visit: NewVisit, shop: Shop, staff: Shop) -> None:
    """A guest finds a book, orders it, and sees it on its way while the page stays open."""
    guest = await visit()
    await guest.goto("/")
    await guest.page.get_by_role("combobox", name="Search books").fill("the moonst")
    await guest.page.get_by_role("option", name=re.compile("Moonstone")).first.click()
    await expect(guest.heading(re.compile("Moonstone"))).to_be_visible()
    await guest.press("Add to cart")
    await guest.follow("Go to the cart")
    await guest.follow("Check out")
    email = somebody()
    await guest.fill_in(email=email)
    await guest.place()
    order_id = await guest.order_id()
    await expect(guest.heading("Paid, and being packed")).to_be_visible()
    await expect(guest.page.get_by_text("Live", exact=True)).to_be_visible()
    parcel = {"carrier": "Parcel Post", "tracking_number": "PP-1"}
    await staff.command("POST", f"/orders/{order_id}/shipments", parcel)
    await expect(guest.heading("On its way")).to_be_visible()
    await expect(guest.page.get_by_text("Tracking number PP-1")).to_be_visible()
    await staff.command("POST", f"/shipments/{order_id}/events", {"status": "delivered"})
    await expect(guest.heading("Delivered")).to_be_visible()
    await expect(guest.page.get_by_text("Complete", exact=True)).to_be_visible()
    assert (await staff.call("GET", f"/orders/{order_id}"))["email"] == email
    # The mail's link opens it in another browser, and the token does not stay in the address.
    [[_, token]] = await guest.page.evaluate("() => JSON.parse(localStorage.getItem('quire.orders'))")
    elsewhere = await visit()
    await elsewhere.goto(f"/orders/{order_id}#token={token}")
    await expect(elsewhere.heading("Delivered")).to_be_visible()
    assert token not in elsewhere.page.url


async def test_keyboard_alone(visit: NewVisit, shop: Shop) -> None:
    """Nobody needs a mouse to buy a book."""
    guest = await visit()
    page = guest.page
    await guest.goto("/")
    await expect(guest.heading("Books that lasted")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    for _ in range(2):
        await page.keyboard.press("Tab")
    await expect(page.get_by_role("combobox")).to_be_focused()
    await page.keyboard.type("frankenst")
    await expect(page.get_by_role("option").first).to_be_visible()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Add to cart")).to_be_visible()

    async def tab_to(name: str | re.Pattern[str]) -> None:
        for _ in range(60):
            await page.keyboard.press("Tab")
            label = await page.evaluate(
                "() => { const e = document.activeElement; "
                "return e.getAttribute('aria-label') ?? e.labels?.[0]?.innerText ?? e.innerText ?? '' }"
            )
            if re.search(name, label.strip()):
                return
        pytest.fail(f"the Tab key does not reach {name!r}")

    await tab_to("^Add to cart")
    await page.keyboard.press("Enter")
    await tab_to("^Go to the cart")
    await page.keyboard.press("Enter")
    await expect(guest.heading("Your cart")).to_be_focused()
    await tab_to("^Check out")
    await page.keyboard.press("Enter")
    await expect(guest.heading("Check out")).to_be_focused()
    for label, text in {
        "^E-mail": somebody(),
        "^Name": "Ada Reader",
        "^Street": "Lesegasse 1",
        "^Postal": "1070",
        "^City": "Wien",
        "^Country": "Austria",
    }.items():
        await tab_to(label)
        await page.keyboard.type(text)
    await tab_to("^Order and pay")
    await page.keyboard.press("Enter")
    await expect(guest.heading("Paid, and being packed")).to_be_visible()


async def test_shopper_buys(visit: NewVisit, shop: Shop) -> None:
    """A guest's cart goes along into a new account, whose saved address it is sent to; the order is listed there."""
    reader = await visit()
    book = await a_title(shop, "middlemarch")
    await reader.put_in_cart(book["isbn"], 2)
    await reader.follow("Sign in")
    await reader.follow("Create an account")
    email = somebody()
    await reader.page.get_by_label("Name").fill("Ada Reader")
    await reader.page.get_by_label("E-mail address").fill(email)
    await reader.page.get_by_label("Password").fill(PASSWORD)
    await reader.press("Create an account")
    await expect(reader.page.get_by_role("link", name="Cart, 2 books")).to_be_visible()
    await (
        reader.page.get_by_role("navigation", name="Your account")
        .get_by_role("link", name="Addresses")
        .click()
    )
    await reader.press("Add an address")
    await reader.fill_in()
    await reader.press("Save")
    await expect(reader.page.get_by_text("1070 Wien")).to_be_visible()
    await reader.follow("Cart, 2 books")
    await reader.follow("Check out")
    await expect(reader.page.get_by_label("Ada Reader")).to_be_checked()
    await reader.place()
    await expect(reader.heading("Paid, and being packed")).to_be_visible()
    await expect(reader.page.get_by_role("link", name="Cart, 0 books")).to_be_visible()
    await reader.goto("/account/orders")
    await expect(reader.page.get_by_role("link", name=book["title"])).to_be_visible()


async def test_fields_that_cannot_be(visit: NewVisit, shop: Shop) -> None:
    """A name of spaces is refused at its field, in the shop's own words, and can be mended."""
    guest = await visit()
    book = await a_title(shop, "emma")
    await guest.put_in_cart(book["isbn"])
    await guest.goto("/checkout")
    await guest.fill_in(email=somebody())
    name = guest.page.get_by_label("Name", exact=True)
    await name.fill("   ")
    await guest.place()
    await expect(name).to_be_focused()
    await expect(name).to_have_accessible_description(
        "Please look at this again: it is empty, or cannot be right"
    )
    await name.fill("Ada Reader")
    await guest.place()
    await expect(guest.heading("Paid, and being packed")).to_be_visible()


async def test_declined_card(visit: NewVisit, shop: Shop, pictures: Path) -> None:
    """A declined card ends in a cancelled order that says so, and the copies come back."""
    guest = await visit()
    book = await a_title(shop, "dracula")
    await guest.put_in_cart(book["isbn"])
    await guest.goto("/checkout")
    await guest.fill_in(email=somebody(), card="tok_declined")
    await guest.place()
    await expect(guest.heading("Cancelled")).to_be_visible()
    await expect(guest.page.get_by_text("Your bank declined the payment")).to_be_visible()
    await looked_at(guest, "order-declined", pictures)


@pytest.mark.parametrize("below", [False, True], ids=["where it is asked", "below the sums"])
async def test_price_rise(visit: NewVisit, shop: Shop, staff: Shop, pictures: Path, below: bool) -> None:
    """A price that rose is asked about before anything is ordered; each button says, and orders for, what it is now."""
    guest = await visit()
    book = await a_title(shop, "walden")
    await guest.put_in_cart(book["isbn"])
    await guest.goto("/checkout")
    await guest.fill_in(email=somebody())
    price = book["price"]["amount"]
    await at_price(staff, book, price + 250)
    await guest.place()
    await expect(guest.page.get_by_role("heading", name="The price went up")).to_be_visible()
    before, now = (f"€{amount // 100}.{amount % 100:02}" for amount in (price, price + 250))
    await expect(guest.page.get_by_text(f"{book['title']}: {before}, now {now}")).to_be_visible()
    assert "/checkout" in guest.page.url
    if not below:
        await looked_at(guest, "checkout-price", pictures)
    total = price + 250 + 390
    shown = f"€{total // 100}.{total % 100:02}"
    agree = guest.page.get_by_role("button", name=f"Order for {shown}")
    place = guest.page.get_by_role("button", name=f"Order and pay {shown}")
    for button in (agree, place):
        await expect(button).to_be_enabled()
    await (place if below else agree).click()
    order_id = await guest.order_id()
    assert (await staff.call("GET", f"/orders/{order_id}"))["total"]["amount"] == total


async def test_sold_out(visit: NewVisit, shop: Shop, staff: Shop, pictures: Path) -> None:
    """An order for more copies than are left names the title and how many; taking those goes through."""
    guest = await visit()
    book = await a_title(shop, "kidnapped")
    await guest.put_in_cart(book["isbn"], 3)
    await with_stock(staff, book["isbn"], 1)
    await guest.goto("/checkout")
    await guest.fill_in(email=somebody())
    await guest.place()
    await expect(guest.page.get_by_role("heading", name="Not enough copies are left")).to_be_visible()
    await expect(guest.page.get_by_text(f"{book['title']}: 1 copy is left")).to_be_visible()
    await looked_at(guest, "checkout-sold-out", pictures)
    await guest.press("Take 1")
    await guest.saved()
    await guest.place()
    await expect(guest.heading("Paid, and being packed")).to_be_visible()
    assert (await staff.stock(book["isbn"]))["available"] == 0


async def test_connection_lost_during_order(visit: NewVisit, shop: Shop, staff: Shop) -> None:
    """An order whose answer got lost, and then a shop that is busy: sent again with the same key, it is one order."""
    guest = await visit()
    book = await a_title(shop, "emma")
    await guest.put_in_cart(book["isbn"])
    await guest.goto("/checkout")
    email = somebody()
    await guest.fill_in(email=email)
    sent: list[Request] = []

    async def trouble(route: Route) -> None:
        sent.append(route.request)
        if len(sent) == 1:
            await answer_lost(route)
        elif len(sent) == 2:
            busy = {
                "type": "/problems/broker_unavailable",
                "code": "broker_unavailable",
                "detail": "",
                "title": "",
            }
            await route.fulfill(status=503, json={**busy, "status": 503}, headers={"Retry-After": "1"})
        else:
            await route.continue_()

    await guest.page.route("**/v1/orders", trouble)
    await guest.place()
    await expect(guest.page.get_by_text("so it is placed once at most")).to_be_visible()
    await expect(guest.heading("Paid, and being packed")).to_be_visible()
    assert len(sent) == 3
    assert len(set(keys_of(sent))) == 1
    assert len({request.post_data for request in sent}) == 1
    assert len((await staff.call("GET", f"/admin/orders?email={email}"))["items"]) == 1


async def test_browser_closed_during_order(visit: NewVisit, shop: Shop, staff: Shop) -> None:
    """Whoever closes the page before the answer comes finds the same order when they come back."""
    guest = await visit()
    book = await a_title(shop, "persuasion")
    await guest.put_in_cart(book["isbn"])
    await guest.goto("/checkout")
    email = somebody()
    await guest.fill_in(email=email)
    await guest.page.route("**/v1/orders", answer_lost)
    await guest.place()
    await expect(guest.page.get_by_text("so it is placed once at most")).to_be_visible()
    again = await visit(storage_state=await guest.context.storage_state())
    await guest.context.close()
    await again.goto("/")
    await expect(again.page.get_by_text("You left while an order was being placed")).to_be_visible()
    await again.follow("Find out")
    order_id = await again.order_id()
    orders = (await staff.call("GET", f"/admin/orders?email={email}"))["items"]
    assert [order["id"] for order in orders] == [order_id]


async def test_order_page_resumes(visit: NewVisit, shop: Shop, staff: Shop) -> None:
    """An order's page that loses its connection says so, and once it is back shows what happened meanwhile."""
    guest = await visit()
    book = await a_title(shop, "dracula")
    await guest.put_in_cart(book["isbn"])
    await guest.goto("/checkout")
    await guest.fill_in(email=somebody())
    await guest.place()
    order_id = await guest.order_id()
    await expect(guest.heading("Paid, and being packed")).to_be_visible()
    await expect(guest.page.get_by_text("Live", exact=True)).to_be_visible()
    resumed: list[str | None] = []

    def asked(request: Request) -> None:
        if request.url.endswith("/events"):
            resumed.append(request.headers.get("last-event-id"))

    guest.page.on("request", asked)
    await guest.context.set_offline(True)
    await expect(guest.page.get_by_text("Reconnecting…")).to_be_visible()
    parcel = {"carrier": "Parcel Post", "tracking_number": "PP-2"}
    await staff.command("POST", f"/orders/{order_id}/shipments", parcel)
    await guest.context.set_offline(False)
    # An attempt that failed as the connection came back is repeated within 10 s.
    await expect(guest.heading("On its way")).to_be_visible(timeout=15_000)
    await expect(guest.page.get_by_text("Live", exact=True)).to_be_visible()
    assert resumed
    assert set(resumed) == {resumed[0]} != {None}

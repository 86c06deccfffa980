"""The cart: at once in the browser, then in the shop; across tabs, restarts and sign-ins."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, Request, Route, expect

from ops.demo.shop import Shop
from tests.web.conftest import PASSWORD, NewVisit
from tests.web.test_buying import somebody
from tests.web.visit import Visit, a_title, keys_of


async def in_the_shop(shop: Shop, guest: Visit) -> dict[str, int]:
    """What the shop says is in a guest's cart."""
    kept = (await guest.cart())["guest"]
    cart: dict[str, Any] = await shop.holding(Cart_Token=kept["token"]).call("GET", f"/carts/{kept['id']}")
    return {line["isbn"]: line["quantity"] for line in cart["lines"]}


async def test_ten_quick_clicks(visit: NewVisit, shop: Shop) -> None:
    """Ten quick clicks on plus end on eleven copies, in browser and shop, with fewer commands than clicks."""
    guest = await visit()
    book = await a_title(shop, "moby")
    await guest.put_in_cart(book["isbn"])
    await guest.goto("/cart")
    sent: list[Request] = []
    guest.page.on("request", lambda request: sent.append(request) if request.method == "PUT" else None)
    more = guest.page.get_by_role("button", name=f"One more of {book['title']}")
    await more.evaluate("button => { for (let click = 0; click < 10; click += 1) button.click() }")
    await expect(guest.page.get_by_label(f"Copies of {book['title']}")).to_have_value("11")
    await guest.saved()
    await expect(guest.page.get_by_label(f"Copies of {book['title']}")).to_have_value("11")
    assert await in_the_shop(shop, guest) == {book["isbn"]: 11}
    assert len(sent) < 10


async def test_shown_at_once(visit: NewVisit, shop: Shop) -> None:
    """A change is shown before the shop has answered."""
    guest = await visit()
    book = await a_title(shop, "walden")
    held: asyncio.Future[Route] = asyncio.get_running_loop().create_future()

    def hold(route: Route) -> None:
        held.set_result(route)

    await guest.page.route("**/items/*", hold)
    await guest.goto(f"/books/{book['isbn']}")
    await guest.press("Add to cart")
    await expect(guest.page.get_by_role("link", name="Cart, 1 book")).to_be_visible()
    await expect(guest.page.get_by_text("1 in your cart").first).to_be_visible()
    await (await held).continue_()
    await guest.saved()
    assert await in_the_shop(shop, guest) == {book["isbn"]: 1}


async def test_taken_back(visit: NewVisit, shop: Shop, staff: Shop) -> None:
    """A change that the shop refuses is taken back, and the reason is said."""
    guest = await visit()
    book = await a_title(shop, "ivanhoe")
    await guest.goto(f"/books/{book['isbn']}")
    await expect(guest.page.get_by_role("button", name="Add to cart")).to_be_enabled()
    await staff.command("PUT", f"/books/{book['isbn']}", {"title": book["title"], "for_sale": False})
    await guest.press("Add to cart")
    await expect(
        guest.page.get_by_text(f"“{book['title']}” was not changed: it is not for sale.")
    ).to_be_visible()
    await expect(guest.page.get_by_role("link", name="Cart, 0 books")).to_be_visible()
    await guest.press("Dismiss")
    await expect(guest.page.get_by_text("was not changed")).to_have_count(0)


async def test_two_tabs(visit: NewVisit, shop: Shop) -> None:
    """Two tabs of one browser show the same cart, whichever of them changes it."""
    guest = await visit()
    book = await a_title(shop, "candide")
    await guest.put_in_cart(book["isbn"])
    await guest.goto("/cart")
    other = await guest.context.new_page()
    await Visit(guest.context, other).goto("/cart")

    def copies(page: Page) -> Any:
        return page.get_by_label(f"Copies of {book['title']}")

    for page in (guest.page, other, guest.page, other):
        await page.bring_to_front()
        await page.get_by_role("button", name=f"One more of {book['title']}").click()
        for each in (guest.page, other):
            await expect(copies(each)).to_have_value(await copies(page).input_value())
    await guest.saved()
    assert await in_the_shop(shop, guest) == {book["isbn"]: 5}
    await other.get_by_role("button", name=f"Remove {book['title']}").click()
    await expect(guest.page.get_by_text("Nothing in it yet.")).to_be_visible()


async def test_tabs_clicked_at_once(visit: NewVisit, shop: Shop) -> None:
    """Clicks in three tabs at the same instant, before any has heard of another's, are all counted."""
    guest = await visit()
    book = await a_title(shop, "candide")
    await guest.put_in_cart(book["isbn"])
    pages = [guest.page, await guest.context.new_page(), await guest.context.new_page()]
    for page in pages:
        await Visit(guest.context, page).goto("/cart")
    plus = [page.get_by_role("button", name=f"One more of {book['title']}") for page in pages]
    for _ in range(4):
        await asyncio.gather(*(each.evaluate("button => button.click()") for each in plus))
    for page in pages:
        await expect(page.get_by_label(f"Copies of {book['title']}")).to_have_value("13")
    await guest.saved()
    assert await in_the_shop(shop, guest) == {book["isbn"]: 13}
    for page in pages:
        await expect(page.get_by_label(f"Copies of {book['title']}")).to_have_value("13")


async def test_two_new_tabs(visit: NewVisit, shop: Shop) -> None:
    """Two tabs that never had a cart fill the same one."""
    guest = await visit()
    other = await guest.context.new_page()
    books = [await a_title(shop, q) for q in ("candide", "emma")]
    for page, book in zip((guest.page, other), books, strict=True):
        await Visit(guest.context, page).goto(f"/books/{book['isbn']}")
    for page in (guest.page, other):
        await page.bring_to_front()
        await page.get_by_role("button", name="Add to cart").click()
    for page in (guest.page, other):
        await expect(page.get_by_role("link", name="Cart, 2 books")).to_be_visible()
    await guest.saved()
    assert await in_the_shop(shop, guest) == {book["isbn"]: 1 for book in books}


async def test_survives_a_restart(visit: NewVisit, shop: Shop) -> None:
    """A guest's cart is there after a restart of the browser, from the first paint on."""
    guest = await visit()
    book = await a_title(shop, "emma")
    await guest.put_in_cart(book["isbn"], 2)
    again = await visit(storage_state=await guest.context.storage_state())
    await guest.context.close()
    await again.goto("/cart")
    await expect(again.page.get_by_label(f"Copies of {book['title']}")).to_have_value("2")


@pytest.mark.parametrize(
    "left",
    [
        "no JSON",
        '{"state": null}',
        '{"state": {"wishes": {}, "server": {"lines": [null]}}, "guest": null, "account": null, "merging": null}',
        '{"state": {"wishes": {"a": null}, "server": null}, "guest": null, "account": null, "merging": null}',
    ],
)
async def test_what_something_else_left(visit: NewVisit, shop: Shop, left: str) -> None:
    """What is no cart, where the browser keeps the cart, is as if it were not there."""
    guest = await visit()
    await guest.page.goto("/robots.txt")
    await guest.page.evaluate("left => localStorage.setItem('quire.cart', left)", left)
    book = await a_title(shop, "emma")
    await guest.put_in_cart(book["isbn"])
    assert await in_the_shop(shop, guest) == {book["isbn"]: 1}


async def test_kept_while_offline(visit: NewVisit, shop: Shop) -> None:
    """What is changed without a connection is said to be kept, and sent with one key once there is a connection."""
    guest = await visit()
    book = await a_title(shop, "emma")
    await guest.put_in_cart(book["isbn"])
    await guest.goto("/cart")
    sent: list[Request] = []
    guest.page.on("request", lambda request: sent.append(request) if request.method == "PUT" else None)
    await guest.context.set_offline(True)
    await guest.page.get_by_role("button", name=f"One more of {book['title']}").click()
    await expect(guest.page.get_by_text("You are offline")).to_be_visible()
    await expect(guest.page.get_by_text("Saving…")).to_be_visible()
    await guest.context.set_offline(False)
    await guest.saved()
    await expect(guest.page.get_by_text("You are offline")).to_have_count(0)
    assert await in_the_shop(shop, guest) == {book["isbn"]: 2}
    assert len(set(keys_of(sent))) == 1


async def test_merges_on_sign_in(visit: NewVisit, shop: Shop) -> None:
    """A guest's cart is added to the account's on sign-in, in every tab; signing out shows an empty one."""
    email = somebody()
    await shop.register(email, PASSWORD, "Ada Reader")
    signed = await shop.sign_in(email, PASSWORD)
    first, second = [await a_title(shop, q) for q in ("emma", "candide")]
    own = await signed.new_cart()
    await signed.add(own["id"], first["isbn"], 1)
    guest = await visit()
    await guest.put_in_cart(first["isbn"], 2)
    await guest.put_in_cart(second["isbn"])
    other = await guest.context.new_page()
    await Visit(guest.context, other).goto("/cart")
    await guest.page.bring_to_front()
    await guest.sign_in(email, "/cart")
    for page in (guest.page, other):
        await expect(page.get_by_role("link", name="Cart, 4 books")).to_be_visible()
    cart = await signed.call("GET", f"/carts/{own['id']}")
    assert {line["isbn"]: line["quantity"] for line in cart["lines"]} == {first["isbn"]: 3, second["isbn"]: 1}
    await guest.follow("Account")
    await guest.press("Sign out")
    await expect(guest.heading("Sign in")).to_be_visible()
    for page in (guest.page, other):
        await expect(page.get_by_role("link", name=re.compile("^Cart, 0"))).to_be_visible()

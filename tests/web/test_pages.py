"""Every page, looked at: accessible in light and dark, whole at 360 px, pictured; small, and nothing moves."""

import asyncio
import re
from pathlib import Path

from playwright.async_api import Browser, Route, expect

from ops.bench.first_paint import SCRIPT_KB_MAX, first_visit
from ops.demo.shop import Shop
from ops.instance import Instance
from tests.web.conftest import NewVisit
from tests.web.looks import looked_at
from tests.web.test_buying import somebody
from tests.web.visit import a_title


async def test_pages_of_the_shop(visit: NewVisit, shop: Shop, pictures: Path) -> None:
    """Home, search, a book, the cart, the checkout, an order, and what is shown for pages that are not there."""
    guest = await visit()
    book = await a_title(shop, "frankenstein")
    await guest.goto("/")
    await expect(guest.page.get_by_role("article").nth(12)).to_be_visible()
    await looked_at(guest, "home", pictures)
    await guest.goto("/search?q=the&available=true")
    await expect(guest.page.get_by_role("article").nth(5)).to_be_visible()
    await looked_at(guest, "search", pictures)
    await guest.goto("/cart")
    await looked_at(guest, "cart-empty", pictures)
    await guest.put_in_cart(book["isbn"], 2)
    await expect(guest.page.get_by_role("article").nth(2)).to_be_visible()
    await looked_at(guest, "book", pictures)
    await guest.goto("/cart")
    await looked_at(guest, "cart", pictures)
    await guest.goto("/checkout")
    await expect(guest.page.get_by_label(re.compile("^Express"))).to_be_visible()
    await looked_at(guest, "checkout", pictures)
    await guest.fill_in(email=somebody())
    await guest.place()
    await expect(guest.heading("Paid, and being packed")).to_be_visible()
    await looked_at(guest, "order", pictures)
    await guest.goto("/orders/o000")
    await expect(guest.heading("This order cannot be opened here")).to_be_visible()
    await looked_at(guest, "order-closed", pictures)
    await guest.goto("/nowhere")
    await expect(guest.heading("There is no such page")).to_be_visible()
    await looked_at(guest, "missing", pictures)


async def test_pages_of_an_account(visit: NewVisit, shop: Shop, clerk: str, pictures: Path) -> None:
    """Sign-in and sign-up, profile, orders, addresses; and the pages for staff."""
    guest = await visit()
    for path, name in (("/sign-in", "Sign in"), ("/sign-up", "Create an account")):
        await guest.goto(path)
        await expect(guest.heading(name)).to_be_visible()
        await looked_at(guest, path[1:], pictures)
    await guest.sign_in(clerk)
    for path, name in (
        ("/account", "Clara Clerk"),
        ("/account/orders", "Orders"),
        ("/account/addresses", "Addresses"),
        ("/staff/orders", "Orders"),
        ("/staff/stock", "Stock"),
        ("/staff/import", "Import"),
    ):
        await guest.goto(path)
        await expect(guest.heading(name)).to_be_visible()
        await looked_at(guest, path[1:].replace("/", "-"), pictures)


async def test_suggestions_are_accessible(visit: NewVisit, pictures: Path) -> None:
    """The open list of suggestions is a listbox that axe finds nothing wrong with."""
    guest = await visit()
    await guest.goto("/")
    await guest.page.get_by_role("combobox").fill("the")
    await expect(guest.page.get_by_role("option").first).to_be_visible()
    await guest.page.keyboard.press("ArrowDown")
    await looked_at(guest, "suggestions", pictures)


async def test_first_visit(browser: Browser, shop: Shop, instance: Instance) -> None:
    """Home and a book come without a layout shift, on a phone too, with at most 120 kB of JavaScript as it travels."""
    book = await a_title(shop, "frankenstein")
    for path in ("/", f"/books/{book['isbn']}"):
        for width in (1280, 360):
            seen = await first_visit(browser, f"{instance.url}{path}", width=width)
            assert (seen.shift, seen.moved) == (0, []), (path, width)
            assert seen.lcp_ms > 0
            assert 50_000 < seen.script_bytes <= SCRIPT_KB_MAX * 1000, path


async def test_typed_before_the_script(visit: NewVisit) -> None:
    """What somebody types into the search field before the shop's script runs stays there, and so does the cursor."""
    guest = await visit()
    page = guest.page
    held: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
    await page.route("**/assets/main-*.js", lambda route: held.set_result(route))  # noqa: PLW0108 - Playwright marks it
    await page.goto("/", wait_until="commit")
    await page.get_by_role("searchbox", name="Search books").press_sequentially("moonst")
    await (await held).continue_()
    field = page.get_by_role("combobox", name="Search books")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("moonst")
    await expect(page.get_by_role("option", name=re.compile("Moonstone")).first).to_be_visible()


async def test_prices_follow_the_reader(visit: NewVisit, shop: Shop) -> None:
    """Prices and dates are written as the browser's language writes them."""
    book = await a_title(shop, "frankenstein")
    amount = f"{book['price']['amount'] // 100},{book['price']['amount'] % 100:02}"
    for language, price in (("de-DE", f"{amount} €"), ("ja-JP", f"€{amount.replace(',', '.')}")):
        reader = await visit(locale=language)
        await reader.put_in_cart(book["isbn"])
        await expect(reader.page.locator(".buy__price strong")).to_have_text(price)
        await reader.goto("/checkout")
        await reader.fill_in(email=somebody())
        await reader.place()
        await expect(reader.heading("Paid, and being packed")).to_be_visible()
        written = await reader.page.locator("time").first.inner_text()
        at = await reader.page.locator("time").first.get_attribute("datetime")
        style = "{dateStyle: 'medium', timeStyle: 'short'}"
        expected = await reader.page.evaluate(
            f"([at, language]) => new Date(at).toLocaleString(language, {style})", [at, language]
        )
        assert written == expected


async def test_dark_and_still(visit: NewVisit, shop: Shop) -> None:
    """The page is dark where the reader's system is, and nothing in it moves for those who asked for less motion."""
    reader = await visit()
    book = await a_title(shop, "frankenstein")
    await reader.goto("/")
    page = reader.page
    lightness = "() => Number(getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0])"
    moving = "() => getComputedStyle(document.querySelector('.card .cover')).transitionProperty"
    await page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    assert await page.evaluate(lightness) > 200
    assert await page.evaluate(moving) == "transform"
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    assert await page.evaluate(lightness) < 60
    assert await page.evaluate(moving) == "none"
    await reader.put_in_cart(book["isbn"])
    assert await page.evaluate("() => document.getAnimations().length") == 0

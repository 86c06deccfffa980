"""Finding a book: facets, order, availability and prices, all of it in the address."""

import re
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page, expect

from ops.demo.shop import Shop
from tests.web.conftest import NewVisit
from tests.web.visit import a_title, with_stock


def asked(page: Page) -> dict[str, str]:
    """What the address asks for."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


async def titles(page: Page) -> list[str]:
    """The titles that are shown, in their order."""
    return await page.get_by_role("article").get_by_role("heading").all_inner_texts()


async def test_what_is_searched_stands_in_the_address(visit: NewVisit, shop: Shop) -> None:
    """Words, facets and order go into the address; whoever opens it, or goes back, sees the same books."""
    reader = await visit()
    page = reader.page
    await reader.goto("/")
    await page.get_by_role("combobox").fill("the")
    await page.get_by_role("search").get_by_role("button", name="Search").click()
    await expect(reader.heading("Results for “the”")).to_be_visible()
    facet = page.get_by_role("region", name="Language").get_by_role("link", name=re.compile("^English"))
    count = int(re.sub(r"\D", "", await facet.inner_text()))
    await facet.click()
    await expect(page.get_by_text(f"{count} books", exact=True).first).to_be_visible()
    await page.get_by_label("Sort by").select_option("title")
    await page.wait_for_url(re.compile("sort=title"))
    assert asked(page) == {"q": "the", "language": "eng", "sort": "title"}
    expected = (await shop.search(q="the", language="eng", sort="title", limit=24))["items"]
    await expect(page.get_by_role("article").get_by_role("heading").first).to_have_text(expected[0]["title"])
    assert await titles(page) == [each["title"] for each in expected]

    again = await visit()
    await again.goto(page.url)
    await expect(again.page.get_by_role("article").nth(5)).to_be_visible()
    assert await titles(again.page) == [each["title"] for each in expected]
    await expect(again.page.get_by_label("Sort by")).to_have_value("title")

    await page.get_by_role("link", name="Without English").click()
    await page.wait_for_url(lambda url: "language" not in url)
    await page.go_back()
    await expect(page.get_by_role("link", name="Without English")).to_be_visible()
    assert asked(page) == {"q": "the", "language": "eng", "sort": "title"}


async def test_prices_and_availability(visit: NewVisit, shop: Shop, staff: Shop) -> None:
    """A span of prices and what can be bought now narrow the list; a title that sold out is shown as such."""
    reader = await visit()
    page = reader.page
    book = await a_title(shop, "villette")
    await with_stock(staff, book["isbn"], 0)
    await reader.goto("/search?q=villette&available=false")
    await expect(page.get_by_role("article").filter(has_text=book["title"])).to_contain_text("Sold out")
    await page.get_by_role("article").get_by_role("link", name=book["title"]).click()
    await expect(page.get_by_role("button", name="Add to cart")).to_be_disabled()
    await reader.goto("/search?available=true")
    await page.get_by_label(re.compile("^Price from")).fill("5.50")
    await page.get_by_label(re.compile("^to ")).fill("7")
    await page.get_by_role("button", name="Apply").click()
    await page.wait_for_url(re.compile("price_min=550&price_max=700"))
    total = (await shop.search(available=True, price_min=550, price_max=700, limit=1))["total"]
    assert total > 0
    await expect(page.get_by_text(f"{total} books", exact=True).first).to_be_visible()
    for shown in await page.locator(".card .price").all_inner_texts():
        assert 5.5 <= float(shown.removeprefix("€")) <= 7


async def test_more_of_a_long_list(visit: NewVisit, shop: Shop) -> None:
    """A long list goes on where it ended, without a title twice; one without a hit says so."""
    reader = await visit()
    await reader.goto("/search?sort=title")
    await expect(reader.page.get_by_role("article")).to_have_count(24)
    await reader.press("Show more")
    await expect(reader.page.get_by_role("article")).to_have_count(48)
    shown = await titles(reader.page)
    assert shown == [each["title"] for each in (await shop.search(sort="title", limit=48))["items"]]
    await reader.goto("/search?q=xyzzyqwv")
    await expect(reader.page.get_by_text("No book fits.")).to_be_visible()

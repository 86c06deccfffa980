"""A visit to the shop: what people do there, in their words."""

import re
from dataclasses import dataclass
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page, Request, Route, expect

from ops.demo.shop import Shop

PASSWORD = "a quiet afternoon"
ADDRESS = {
    "Name": "Ada Reader",
    "Street and number": "Lesegasse 1",
    "Postal code": "1070",
    "City": "Wien",
}


@dataclass(slots=True)
class Visit:
    """One person with one browser, looking at one page."""

    context: BrowserContext
    page: Page

    async def goto(self, path: str) -> None:
        """Opens a page by its address, and waits until the shop's script has it."""
        await self.page.goto(path)
        await expect(self.page.get_by_role("combobox", name="Search books")).to_be_visible()

    def heading(self, name: str | re.Pattern[str]) -> Locator:
        """The page's heading."""
        return self.page.get_by_role("heading", level=1, name=name)

    async def press(self, name: str) -> None:
        """Presses a button."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def follow(self, name: str) -> None:
        """Follows a link."""
        await self.page.get_by_role("link", name=name, exact=True).click()

    async def put_in_cart(self, isbn: str, copies: int = 1) -> None:
        """Puts copies of a title into the cart, and waits until the shop has them."""
        await self.goto(f"/books/{isbn}")
        for _ in range(copies):
            await self.press("Add to cart")
        await expect(self.page.get_by_text(f"{copies} in your cart").first).to_be_visible()
        await self.saved()

    async def saved(self) -> None:
        """Waits until no change of the cart is under way."""
        await self.page.wait_for_function(
            "() => Object.keys(JSON.parse(localStorage.getItem('quire.cart') ?? '{}').state?.wishes ?? {}).length === 0"
        )

    async def cart(self) -> dict[str, Any]:
        """What the browser keeps of the cart."""
        kept: dict[str, Any] = await self.page.evaluate(
            "() => JSON.parse(localStorage.getItem('quire.cart') ?? '{}')"
        )
        return kept

    async def fill_in(
        self, *, email: str | None = None, card: str | None = None, address: bool = True
    ) -> None:
        """Fills in the checkout."""
        if email is not None:
            await self.page.get_by_label("E-mail address").fill(email)
        if address:
            for label, text in ADDRESS.items():
                await self.page.get_by_label(label, exact=True).fill(text)
            await self.page.get_by_label("Country").select_option("AT")
        if card is not None:
            await self.page.get_by_label("Card").select_option(card)

    async def place(self) -> None:
        """Presses the button that orders."""
        await self.page.get_by_role("button", name=re.compile("^Order and pay")).click()

    async def order_id(self) -> str:
        """The id of the order whose page is shown, once it is."""
        await self.page.wait_for_url(re.compile("/orders/"))
        return self.page.url.rsplit("/", 1)[-1]

    async def sign_in(self, email: str, to: str = "/account") -> None:
        """Signs in and waits for the page behind."""
        await self.goto(f"/sign-in?to={to}")
        await self.page.get_by_label("E-mail address").fill(email)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.press("Sign in")
        await self.page.wait_for_url(re.compile(f"^[^?]*{re.escape(to)}$"))


async def a_title(shop: Shop, q: str) -> dict[str, Any]:
    """A title that can be bought."""
    found = await shop.search(q=q, available=True, limit=1)
    book: dict[str, Any] = found["items"][0]
    return book


async def at_price(staff: Shop, book: dict[str, Any], amount: int) -> None:
    """Gives a title another price, and nothing else."""
    record = {
        name: book[name]
        for name in ("title", "subtitle", "contributors", "year", "language", "format", "pages")
    }
    record |= {name: book[name] for name in ("publisher", "description", "for_sale", "subjects")}
    record["price"] = {**book["price"], "amount": amount}
    await staff.command("PUT", f"/books/{book['isbn']}", record)


async def with_stock(staff: Shop, isbn: str, copies: int) -> None:
    """Counts the copies of a title."""
    await staff.command("PUT", f"/books/{isbn}/stock", {"on_hand": copies})


def keys_of(requests: list[Request]) -> list[str]:
    """The Idempotency-Keys of requests."""
    return [request.headers["idempotency-key"] for request in requests]


async def answer_lost(route: Route) -> None:
    """The request arrives and its answer does not."""
    await route.fetch()
    await route.abort("connectionreset")

"""The pages for staff: orders on their way, stock, an import with its report, dead letters."""

import re
import secrets
from pathlib import Path

from playwright.async_api import APIResponse, Route, expect

from broker.publish import Publisher
from ops import up
from ops.demo.shop import Shop
from ops.instance import Instance
from tests.app.test_dead import put
from tests.web.conftest import PASSWORD, NewVisit
from tests.web.looks import looked_at
from tests.web.test_buying import somebody
from tests.web.visit import a_title


async def test_order_on_its_way(visit: NewVisit, shop: Shop, clerk: str, pictures: Path) -> None:
    """Staff finds an order, hands it to a carrier and records its delivery; its shopper sees both happen."""
    guest, desk = await visit(), await visit()
    book = await a_title(shop, "emma")
    await guest.put_in_cart(book["isbn"])
    await guest.goto("/checkout")
    email = somebody()
    await guest.fill_in(email=email)
    await guest.place()
    await expect(guest.heading("Paid, and being packed")).to_be_visible()
    await desk.sign_in(clerk, "/staff/orders")
    await desk.page.get_by_label("E-mail address").fill(email)
    await desk.press("Show")
    await desk.follow(email)
    await desk.page.get_by_label("Carrier").fill("Parcel Post")
    await desk.page.get_by_label("Tracking number").fill("PP-7")
    await looked_at(desk, "staff-order", pictures)
    await desk.press("It has left")
    await expect(guest.heading("On its way")).to_be_visible()
    await desk.press("It was delivered")
    await expect(guest.heading("Delivered")).to_be_visible()
    await desk.goto("/staff/orders/o000")
    await expect(desk.heading("There is no such order")).to_be_visible()


async def test_stock(visit: NewVisit, shop: Shop, staff: Shop, clerk: str) -> None:
    """Staff counts the copies of a title."""
    desk = await visit()
    book = await a_title(shop, "candide")
    await desk.sign_in(clerk, "/staff/stock")
    await desk.page.get_by_label("Find a title").fill("candide")
    await desk.page.get_by_role("main").get_by_role("button", name="Search").click()
    await desk.page.get_by_label(f"Copies of {book['title']} on hand").fill("77")
    await desk.press(f"Set the copies of {book['title']}")
    await expect(desk.page.get_by_text(f"{book['title']}: 77 on hand")).to_be_visible()
    assert (await staff.stock(book["isbn"]))["on_hand"] == 77


async def test_import(visit: NewVisit, clerk: str, pictures: Path) -> None:
    """An import shows its progress to its end, and names each row that was not taken."""
    desk = await visit()
    await desk.sign_in(clerk, "/staff/import")
    rows = ["isbn,title,author", "9780141439518,Pride and Prejudice,Jane Austen", "12,Nothing,Nobody"]
    file = {"name": "books.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode()}
    await desk.page.get_by_label("File").set_input_files(file)  # type: ignore[arg-type]
    await desk.page.get_by_label("Price of rows").fill("9.99")
    await desk.page.get_by_label("Copies of new titles").fill("3")
    await desk.page.get_by_role("main").get_by_role("button", name="Import").click()
    await expect(desk.page.get_by_text("Finished: 1 row")).to_be_visible()
    await expect(desk.page.get_by_text("Line 3:")).to_be_visible()
    await looked_at(desk, "staff-import-report", pictures)
    await desk.page.reload()
    await expect(desk.page.get_by_text("Line 3:")).to_be_visible()
    await desk.goto("/books/9780141439518")
    await expect(desk.page.get_by_text("€9.99")).to_be_visible()


async def test_import_that_cannot_begin(visit: NewVisit, clerk: str) -> None:
    """A file without content and a price that is none are said, the price at its field."""
    desk = await visit()
    await desk.sign_in(clerk, "/staff/import")
    begin = desk.page.get_by_role("main").get_by_role("button", name="Import")
    file = {"name": "books.csv", "mimeType": "text/csv", "buffer": b""}
    await desk.page.get_by_label("File").set_input_files(file)  # type: ignore[arg-type]
    await begin.click()
    await expect(desk.page.get_by_text("books.csv is empty")).to_be_visible()
    await desk.page.get_by_label("File").set_input_files(file | {"buffer": b"isbn,title\n"})  # type: ignore[arg-type]
    await desk.page.get_by_label("Price of rows").fill("cheap")
    await begin.click()
    await expect(desk.page.get_by_label("Price of rows")).to_have_attribute("aria-invalid", "true")
    await expect(desk.page.get_by_text("books.csv is empty")).to_have_count(0)


async def test_pages_are_for_staff(visit: NewVisit, shop: Shop) -> None:
    """Who is not staff is told so, and who is not signed in is asked to."""
    email = f"reader-{secrets.token_hex(4)}@example.test"
    await shop.register(email, PASSWORD, "Ada Reader")
    reader = await visit()
    await reader.goto("/staff/stock")
    await expect(reader.heading("Sign in")).to_be_visible()
    await reader.sign_in(email)
    await reader.goto("/staff/stock")
    await expect(reader.heading("This page is for staff")).to_be_visible()


async def test_dead_letter(
    visit: NewVisit, instance: Instance, brokers: list[up.Broker], clerk: str, pictures: Path
) -> None:
    """Staff sees why a message could not be processed, looks at it whole, and sends it round again: it is gone."""
    publisher = Publisher(brokers[0].endpoint, name="test")
    await publisher.start()
    await put(publisher, "stranded", minutes_ago=3)
    await publisher.close()
    desk = await visit()
    await desk.sign_in(clerk, "/staff/dead")
    await expect(desk.page.get_by_role("heading", name="AddItem carts")).to_be_visible()
    await expect(desk.page.get_by_text("RuntimeError: stranded")).to_be_visible()
    await expect(desk.page.get_by_role("link", name=re.compile("RabbitMQ"))).to_have_count(0)
    await looked_at(desk, "staff-dead", pictures)
    await desk.page.get_by_role("link", name="Look at").click()
    await expect(desk.page.get_by_text('"cart_id": "cart-stranded"')).to_be_visible()
    await looked_at(desk, "staff-letter", pictures)
    await expect(desk.page.get_by_text("ready to be replayed")).to_be_visible()
    await desk.press("Replay")
    await expect(desk.page.get_by_text("1 letter sent round again.")).to_be_visible()
    await desk.goto("/staff/dead")
    await expect(desk.page.get_by_text("Nothing: every message was processed.")).to_be_visible()


async def test_later_letters_stay(
    visit: NewVisit, instance: Instance, brokers: list[up.Broker], clerk: str
) -> None:
    """Staff replays what the page shows: a letter that arrived since, alike but for that, stays where it is."""
    publisher = Publisher(brokers[0].endpoint, name="test")
    await publisher.start()
    await put(publisher, "alike", minutes_ago=3)
    looks: list[APIResponse] = []

    async def as_first_seen(route: Route) -> None:
        looks.append(looks[0] if looks else await route.fetch())
        await route.fulfill(response=looks[0])

    desk = await visit()
    await desk.page.route("**/v1/admin/dead", as_first_seen)
    await desk.sign_in(clerk, "/staff/dead")
    await expect(desk.page.get_by_role("heading", name="AddItem carts")).to_be_visible()
    await put(publisher, "alike", minutes_ago=9)
    await publisher.close()
    await desk.press("Replay all 1 of AddItem in carts")
    await expect(desk.page.get_by_text("1 letter sent round again.")).to_be_visible()
    await desk.page.unroute("**/v1/admin/dead")
    await desk.goto("/staff/dead")
    await expect(desk.page.get_by_role("heading", name="AddItem carts")).to_be_visible()
    await desk.press("Replay all 1 of AddItem in carts")
    await expect(desk.page.get_by_text("Nothing: every message was processed.")).to_be_visible()


async def test_console(visit: NewVisit, instance: Instance, brokers: list[up.Broker], clerk: str) -> None:
    """Where the API names a management console, dead letters link to their queue there, in a tab of its own."""
    publisher = Publisher(brokers[0].endpoint, name="test")
    await publisher.start()
    await put(publisher, "linked", minutes_ago=3, group="orders")
    await publisher.close()
    page = "http://console.test/#/queues/quire/orders.dead"

    async def with_console(route: Route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        for each in told.get("causes", []) + told.get("items", []):
            assert each["console"] is None  # the embedded broker has none
            each["console"] = page
        await route.fulfill(response=answer, json=told)

    desk = await visit()
    await desk.page.route("**/v1/admin/dead**", with_console)
    await desk.sign_in(clerk, "/staff/dead")
    link = desk.page.get_by_role("link", name="orders.dead, in a new tab")
    await expect(link).to_have_attribute("href", page)
    await expect(link).to_have_attribute("target", "_blank")
    await desk.page.get_by_role("listitem").filter(has=link).get_by_role("link", name="Look at").click()
    await expect(link).to_have_attribute("href", page)
    await desk.page.unroute("**/v1/admin/dead**")
    await desk.press("Replay")
    await expect(desk.page.get_by_text("1 letter sent round again.")).to_be_visible()

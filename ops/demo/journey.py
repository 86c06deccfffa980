"""The journey itself, told to whoever listens: what is done, and what came of it."""

import secrets
from collections.abc import Callable

from ops.demo.shop import Json, Shop

Tell = Callable[[str, str], None]
"""Called with a step's name and what came of it."""

PASSWORD_BYTES = 12


class Unexpected(Exception):
    """The shop did something else than it promises."""


class Journey:
    """Two purchases: one that goes all the way, one whose card is declined. `staff` plays shop and carrier."""

    def __init__(self, shop: Shop, staff: Shop, tell: Tell) -> None:
        self._guest = shop
        self._staff = staff
        self._tell = tell

    async def run(self) -> None:
        """Raises `Refused` or `Unexpected` where the shop breaks its word."""
        email = f"ada.{secrets.token_hex(4)}@example.org"
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        await self._guest.register(email, password, "Ada Reader")
        self._tell("register", email)
        first, second = await self._search()
        cart_id, cart_token = await self._fill_guest_cart(first)
        shopper = await self._guest.sign_in(email, password)
        self._tell("sign in", "a short-lived access token and a refresh token")
        own = await self._merge(shopper, cart_id, cart_token, second)
        await self._buy(shopper, own)
        await self._declined(shopper, own, first)

    async def _search(self) -> tuple[Json, Json]:
        page = await self._guest.search(available=True, sort="popularity", limit=20)
        books = [book for book in page["items"] if book["price"]]
        if len(books) < 2:
            raise Unexpected(
                "the catalogue has fewer than two books for sale: import some, or start without --empty"
            )
        first, second = books[0], books[1]
        found = await self._guest.search(q=first["title"], limit=5)
        if not any(book["isbn"] == first["isbn"] for book in found["items"]):
            raise Unexpected(f"a search for {first['title']!r} does not find {first['isbn']}")
        self._tell(
            "search",
            f"{page['total']} titles; {first['title']!r} is found by its title, {found['total']} matches",
        )
        return first, second

    async def _fill_guest_cart(self, book: Json) -> tuple[str, str]:
        cart = await self._guest.new_cart()
        guest = self._guest.holding(Cart_Token=cart["token"])
        filled = await guest.add(cart["id"], book["isbn"], 2)
        self._tell("guest cart", f"2 x {book['title']}: {amount(filled['total'])}, revision {filled['rev']}")
        return cart["id"], cart["token"]

    async def _merge(self, shopper: Shop, cart_id: str, cart_token: str, book: Json) -> str:
        own = await shopper.new_cart()
        await shopper.add(own["id"], book["isbn"])
        body = {"cart_id": cart_id, "token": cart_token}
        operation = await shopper.command("POST", f"/carts/{own['id']}/merge", body)
        merged = operation["result"]
        self._tell(
            "merge",
            f"the guest's cart is closed, the shopper's has {len(merged['lines'])} titles: {amount(merged['total'])}",
        )
        return str(own["id"])

    async def _buy(self, shopper: Shop, cart_id: str) -> None:
        order = await shopper.order(cart_id, "tok_ok")
        shipping, tax = amount(order["shipping"]), amount(order["tax"])
        self._tell(
            "order", f"{order['id']}: {amount(order['total'])} with {shipping} shipping, {tax} VAT in it"
        )
        async for change in shopper.events(order["id"]):
            status = change["status"]
            self._tell(status, TOLD[status])
            if status == "confirmed":
                await self._staff.command(
                    "POST",
                    f"/orders/{order['id']}/shipments",
                    {"carrier": "Demo Post", "tracking_number": secrets.token_hex(6).upper()},
                )
                self._tell("dispatch", "the shop hands the parcel to the carrier")
            elif status == "shipped":
                await self._staff.command("POST", f"/shipments/{order['id']}/events", {"status": "delivered"})
                self._tell("carrier", "reports that the parcel arrived")
            elif status == "delivered":
                return
            elif status != "placed":
                raise Unexpected(f"order {order['id']} is {status}: {change.get('reason')}")
        raise Unexpected(f"the events of order {order['id']} ended before it was delivered")

    async def _declined(self, shopper: Shop, cart_id: str, book: Json) -> None:
        before = await self._staff.stock(book["isbn"])
        await shopper.add(cart_id, book["isbn"])
        order = await shopper.order(cart_id, "tok_declined")
        self._tell(
            "second order",
            f"{order['id']}, with a card that will be declined; one copy of {book['title']!r} is reserved",
        )
        async for change in shopper.events(order["id"]):
            self._tell(change["status"], str(change.get("reason") or TOLD[change["status"]]))
            if change["status"] == "cancelled":
                break
        after = await self._staff.stock(book["isbn"])
        if after != before:
            raise Unexpected(f"the stock of {book['isbn']} did not come back: {before} before, {after} after")
        self._tell(
            "stock",
            f"came back: {after['on_hand']} on hand, {after['reserved']} reserved, {after['available']} available",
        )


TOLD = {
    "placed": "the stock is reserved, the cart is empty",
    "confirmed": "the payment is authorised",
    "shipped": "the parcel is on its way, the payment is captured",
    "delivered": "it arrived",
    "cancelled": "the stock is given back",
}


def amount(money: Json) -> str:
    """Minor units as people write them, for currencies with two decimals."""
    return f"{money['amount'] / 100:.2f} {money['currency']}"

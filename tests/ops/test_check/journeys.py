"""What was done before the checks: an order in every state that an order can end in, a merge, and refusals."""

import secrets
from dataclasses import dataclass, field

from ops.demo.shop import Refused, Shop

ISBNS = ("9786600000008", "9786600000015")
EMAIL = "ada@example.org"


@dataclass
class Journeys:
    """Guests' purchases. `orders` has the order of each journey, `carts` its cart, by the state that it ends in."""

    shop: Shop
    staff: Shop
    orders: dict[str, str] = field(default_factory=dict)
    carts: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        """One after the other."""
        for number, isbn in enumerate(ISBNS):
            record = {
                "title": f"Volume {number}",
                "price": {"amount": 1200 + number, "currency": "EUR"},
                "stock": 50,
            }
            await self.staff.command("PUT", f"/books/{isbn}", record)
        await self.buy("delivered", "tok_ok")
        await self.buy("refunded", "tok_ok")
        await self.buy("confirmed", "tok_ok")
        await self.buy("voided", "tok_ok")
        await self.buy("declined", "tok_declined")
        await self.merge()
        await self.come_back()
        await self.be_refused()
        await self.staff.command("PUT", f"/books/{ISBNS[0]}/stock", {"on_hand": 70})

    async def buy(self, kind: str, token: str) -> None:
        """One purchase, as far as it is to go."""
        cart = await self.shop.new_cart()
        guest = self.shop.holding(Cart_Token=cart["token"])
        for number, isbn in enumerate(ISBNS, start=1):
            await guest.add(cart["id"], isbn, number)
        order = await guest.order(cart["id"], token, email=EMAIL)
        self.orders[kind], self.carts[kind] = order["id"], cart["id"]
        buyer = self.shop.holding(Order_Token=order["token"])
        parcel = {"carrier": "Post", "tracking_number": "42"}
        async for change in buyer.events(order["id"]):
            match change["status"], kind:
                case "confirmed", "delivered" | "refunded":
                    await self.staff.command("POST", f"/orders/{order['id']}/shipments", parcel)
                case "confirmed", "voided":
                    await buyer.command("POST", f"/orders/{order['id']}/cancel")
                case "shipped", "delivered":
                    await self.staff.command(
                        "POST", f"/shipments/{order['id']}/events", {"status": "delivered"}
                    )
                case "shipped", "refunded":
                    await buyer.command("POST", f"/orders/{order['id']}/cancel")
                case ("confirmed", "confirmed") | ("delivered" | "refunded" | "cancelled", _):
                    return

    async def merge(self) -> None:
        """A guest's cart goes into a shopper's."""
        email, password = f"{secrets.token_hex(4)}@example.org", secrets.token_urlsafe(12)
        await self.shop.register(email, password, "Ada")
        shopper = await self.shop.sign_in(email, password)
        cart, own = await self.shop.new_cart(), await shopper.new_cart()
        await self.shop.holding(Cart_Token=cart["token"]).add(cart["id"], ISBNS[0], 2)
        await shopper.add(own["id"], ISBNS[1])
        body = {"cart_id": cart["id"], "token": cart["token"]}
        await shopper.command("POST", f"/carts/{own['id']}/merge", body)
        self.carts["merged"], self.carts["own"] = cart["id"], own["id"]

    async def come_back(self) -> None:
        """A guest's cart is to go into one that takes nothing any more, and stays as it was."""
        cart, closed = await self.shop.new_cart(), await self.shop.new_cart()
        guest = self.shop.holding(Cart_Token=cart["token"])
        there = self.shop.holding(Cart_Token=closed["token"])
        await guest.add(cart["id"], ISBNS[0], 2)
        into = {"cart_id": closed["id"], "token": closed["token"]}
        await guest.command("POST", f"/carts/{cart['id']}/merge", into)
        body = {"cart_id": cart["id"], "token": cart["token"]}
        try:
            await there.command("POST", f"/carts/{closed['id']}/merge", body)
        except Refused as refused:
            assert refused.code == "cart_merged"  # noqa: PT017 - it is asked for below that it was refused
        else:
            raise AssertionError("a closed cart took lines in")
        self.carts["back"] = cart["id"]

    async def be_refused(self) -> None:
        """A rule says no: that is an outcome like any other."""
        cart = await self.shop.new_cart()
        guest = self.shop.holding(Cart_Token=cart["token"])
        try:
            await guest.order(cart["id"], "tok_ok", email=EMAIL)
        except Refused as refused:
            assert refused.code == "cart_empty"  # noqa: PT017 - it is asked for below that it was refused
        else:
            raise AssertionError("an empty cart was ordered")

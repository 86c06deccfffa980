"""The shop as a client sees it: the HTTP contract, one method a call."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any, Self

import httpx

WAIT = {"Prefer": "wait=20"}
ASK_AGAIN_S = 0.1
ADDRESS = {
    "name": "Ada Reader",
    "line1": "Lesegasse 1",
    "city": "Wien",
    "postal_code": "1070",
    "country": "AT",
}
Json = dict[str, Any]


class Refused(Exception):
    """The shop answered with a problem (RFC 9457)."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        try:
            self.problem: Json = answer.json()
        except ValueError:
            self.problem = {"code": "not_a_problem", "detail": answer.text[:200]}
        self.code = str(self.problem.get("code"))
        call = f"{answer.request.method} {answer.request.url.path}"
        super().__init__(f"{call}: {self.status} {self.code}: {self.problem.get('detail')}")


class Shop:
    """One client with one credential: nobody's, a guest's cart or order, a shopper's or the operator's."""

    def __init__(self, http: httpx.AsyncClient, **credential: str) -> None:
        self._http = http
        self._headers = credential

    def bearing(self, token: str) -> Self:
        """The same shop, signed in."""
        return type(self)(self._http, Authorization=f"Bearer {token}")

    def holding(self, **credential: str) -> Self:
        """The same shop, with a cart's or an order's token: `Cart_Token`, `Order_Token`."""
        return type(self)(self._http, **{name.replace("_", "-"): value for name, value in credential.items()})

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Json:
        """One call; its decoded answer. Raises `Refused`."""
        answer = await self._http.request(method, f"/v1{path}", json=body, headers=self._headers | headers)
        if answer.status_code >= 400:
            raise Refused(answer)
        decoded: Json = answer.json() if answer.content else {}
        return decoded

    async def command(self, method: str, path: str, body: Any = None, key: str | None = None) -> Json:
        """A command, waited for; its operation, succeeded. Raises `Refused` for a rejected one."""
        headers = {**WAIT, "Idempotency-Key": key or secrets.token_hex(8)}
        operation = await self.call(method, path, body, **headers)
        return operation if operation["status"] != "pending" else await self.over(operation["id"])

    async def over(self, operation_id: str) -> Json:
        """An operation once it is over, however it ended."""
        while True:
            operation = await self.call("GET", f"/operations/{operation_id}")
            if operation["status"] != "pending":
                return operation
            await asyncio.sleep(ASK_AGAIN_S)

    async def register(self, email: str, password: str, name: str) -> Json:
        """A new account."""
        return await self.call("POST", "/users", {"email": email, "password": password, "name": name})

    async def sign_in(self, email: str, password: str) -> Self:
        """The shop for that shopper."""
        session = await self.call("POST", "/sessions", {"email": email, "password": password})
        return self.bearing(session["access_token"])

    async def search(self, **query: str | int | bool) -> Json:
        """A page of books."""
        words = httpx.QueryParams(
            {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
        )
        return await self.call("GET", f"/books?{words}")

    async def new_cart(self) -> Json:
        """A cart's id and token."""
        return await self.call("POST", "/carts")

    async def add(self, cart_id: str, isbn: str, quantity: int = 1) -> Json:
        """The cart after copies of a title were put in."""
        operation = await self.command(
            "POST", f"/carts/{cart_id}/items", {"isbn": isbn, "quantity": quantity}
        )
        return dict(operation["result"])

    async def order(self, cart_id: str, token: str, email: str | None = None) -> Json:
        """The order that a cart became, as it stood when it was placed."""
        body: Json = {
            "cart_id": cart_id,
            "shipping_address": ADDRESS,
            "shipping_method": "standard",
            "payment": {"token": token},
        }
        if email is not None:
            body["email"] = email
        operation = await self.command("POST", "/orders", body)
        return dict(operation["result"])

    async def stock(self, isbn: str) -> Json:
        """What is counted of a title (staff)."""
        return await self.call("GET", f"/books/{isbn}/stock")

    async def events(self, order_id: str, last: int = 0) -> AsyncIterator[Json]:
        """The order's changes of state, as they are told (text/event-stream), after revision `last`."""
        headers = self._headers | {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
        async with self._http.stream("GET", f"/v1/orders/{order_id}/events", headers=headers) as answer:
            if answer.status_code >= 400:
                await answer.aread()
                raise Refused(answer)
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

"""Carts over HTTP. Everything that changes one is a command."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from app.access import holder, no_cart, sender_for_cart
from app.commands import accept
from app.edge import edge_of
from app.etags import validated
from app.operations import OperationView
from app.problems import Problem
from app.reads.carts import CartView, read_cart
from app.routes.answers import CommandOperation, command, problems
from app.routes.inputs import Merge, NewItem, NewQuantity, isbn_of
from app.security.capabilities import cart_token, is_guest_cart, new_cart_id, opens_cart
from app.security.principal import principal_of
from broker.messages import AddItem, ClearCart, MergeCart, RemoveItem, SetItem
from broker.messages.carts import CartCommand
from documents.accounts import cart_of

AnyRequest = Request[Any, Any, Any]
CartAnswer = Response[OperationView[CartView]]


class NewCart(msgspec.Struct, frozen=True, kw_only=True):
    """A cart to fill. A guest sends `token` as Cart-Token; a signed-in shopper's own cart needs none."""

    id: str
    token: str | None


class Carts(Controller):
    """A guest's cart opens with its token, a shopper's own with their access token."""

    path = "/carts"
    tags = ("carts",)
    opt = {"access": "capability"}

    @post(
        "/",
        operation_id="createCart",
        opt={"access": "public"},
        summary="Get a cart",
        responses=problems(401),
    )
    async def create(self, request: AnyRequest) -> Response[NewCart]:
        """A guest gets a new one; signed in, it is the shopper's own, always the same. Nothing is stored."""
        principal = principal_of(request)
        if principal is not None:
            cart = NewCart(id=cart_of(principal.user_id), token=None)
        else:
            keyring = edge_of(request).keyring
            cart_id = new_cart_id(keyring)
            cart = NewCart(id=cart_id, token=cart_token(keyring, cart_id))
        return Response(cart, headers={"Location": f"/v1/carts/{cart.id}", "Cache-Control": "no-store"})

    @get("/{cart_id:str}", operation_id="getCart", summary="Read a cart", responses=problems(401, 404, 410))
    async def read(self, request: AnyRequest, cart_id: FromPath[str]) -> Response[CartView]:
        """One that nothing was ever put in is empty, at rev 0; one that was merged away is 410 `cart_merged`."""
        sender_for_cart(request, cart_id)
        return validated(request, await read_cart(edge_of(request), cart_id))

    @post(
        "/{cart_id:str}/items",
        operation_id="addItem",
        status_code=202,
        operation_class=CommandOperation,
        summary="Add copies of a title",
        responses=command(CartView),
    )
    async def add_item(
        self, request: AnyRequest, cart_id: FromPath[str], data: JSONBody[NewItem]
    ) -> CartAnswer:
        """On top of those that are there. Asks whether the title is for sale, not how many are left."""
        return await _send(request, AddItem(cart_id=cart_id, isbn=isbn_of(data.isbn), quantity=data.quantity))

    @put(
        "/{cart_id:str}/items/{isbn:str}",
        operation_id="setItem",
        status_code=202,
        operation_class=CommandOperation,
        summary="Set the copies of a title",
        responses=command(CartView),
    )
    async def set_item(
        self, request: AnyRequest, cart_id: FromPath[str], isbn: FromPath[str], data: JSONBody[NewQuantity]
    ) -> CartAnswer:
        """The line is added where it is missing."""
        return await _send(request, SetItem(cart_id=cart_id, isbn=isbn_of(isbn), quantity=data.quantity))

    @delete(
        "/{cart_id:str}/items/{isbn:str}",
        operation_id="removeItem",
        status_code=202,
        operation_class=CommandOperation,
        summary="Take a title out",
        responses=command(CartView),
    )
    async def remove_item(
        self, request: AnyRequest, cart_id: FromPath[str], isbn: FromPath[str]
    ) -> CartAnswer:
        """An absent line succeeds."""
        return await _send(request, RemoveItem(cart_id=cart_id, isbn=isbn_of(isbn)))

    @delete(
        "/{cart_id:str}",
        operation_id="clearCart",
        status_code=202,
        operation_class=CommandOperation,
        summary="Empty a cart",
        responses=command(CartView),
    )
    async def clear(self, request: AnyRequest, cart_id: FromPath[str]) -> CartAnswer:
        """It stays open."""
        return await _send(request, ClearCart(cart_id=cart_id))

    @post(
        "/{cart_id:str}/merge",
        operation_id="mergeCart",
        status_code=202,
        operation_class=CommandOperation,
        summary="Take a guest's cart in",
        responses=command(CartView),
    )
    async def merge(self, request: AnyRequest, cart_id: FromPath[str], data: JSONBody[Merge]) -> CartAnswer:
        """Its lines move here and it is closed. Quantities add up, bounded by what one line takes."""
        into = sender_for_cart(request, cart_id)
        if data.cart_id == cart_id:
            raise Problem(422, "cannot_merge_itself", "A cart cannot be merged into itself")
        keyring = edge_of(request).keyring
        if not is_guest_cart(keyring, data.cart_id) or not opens_cart(keyring, data.cart_id, data.token):
            raise no_cart(data.cart_id)
        # A guest is named by the cart that stays: it is the one whose token reads the operation.
        sender = holder(principal_of(request), *into.holds, data.cart_id)
        source = MergeCart(cart_id=data.cart_id, into=cart_id)
        return await accept(request, source, sender=sender, resource=f"carts/{cart_id}")


async def _send(request: AnyRequest, message: CartCommand) -> CartAnswer:
    sender = sender_for_cart(request, message.cart_id)
    return await accept(request, message, sender=sender, resource=f"carts/{message.cart_id}")

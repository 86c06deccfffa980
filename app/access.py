"""Whose cart, whose order, whose operation: by bearer, `Cart-Token` or `Order-Token`.

no credential at all              401
another's, made-up or not there   404: nobody learns which
"""

import re
from typing import Any

from litestar import Request

from app.edge import edge_of
from app.problems import Problem
from app.reads.orders import find_order
from app.security.capabilities import (
    Operation,
    is_guest_cart,
    is_order_id,
    no_operation,
    opens_cart,
    opens_order,
)
from app.security.keys import Keyring
from app.security.principal import Principal, principal_of
from broker.messages import Sender
from documents.accounts import cart_of
from documents.orders import Order

USER_CART = re.compile(r"u[0-9a-f]{32}")

AnyRequest = Request[Any, Any, Any]


def sender_for_cart(request: AnyRequest, cart_id: str) -> Sender:
    """Who sends a command to this cart, or reads it: the shopper whose it is, or whoever shows its token.

    Signed in with a guest's token, it is the account that acts, and holds the cart. Raises 401 or 404.
    """
    return sender_of(
        edge_of(request).keyring, cart_id, principal_of(request), request.headers.get("cart-token")
    )


def sender_of(keyring: Keyring, cart_id: str, principal: Principal | None, token: str | None) -> Sender:
    """`sender_for_cart`, whoever read the request; `token` is its Cart-Token."""
    if USER_CART.fullmatch(cart_id):
        if principal is None:
            raise _unauthorized("the access token of the cart's owner, as a bearer")
        if cart_of(principal.user_id) != cart_id:
            raise no_cart(cart_id)
        return principal.sender
    if not is_guest_cart(keyring, cart_id):
        raise no_cart(cart_id)
    if token is None:
        if principal is None:
            raise _unauthorized("the cart's token, as Cart-Token")
        raise no_cart(cart_id)
    if not opens_cart(keyring, cart_id, token):
        raise no_cart(cart_id)
    return holder(principal, cart_id)


def holder(principal: Principal | None, *held: str) -> Sender:
    """The sender who showed the tokens of these carts or orders, the first of which names a guest."""
    if principal is None:
        return Sender(f"guest:{held[0]}", (), held)
    return Sender(principal.sender.id, principal.roles, held)


async def order_for(request: AnyRequest, order_id: str) -> tuple[Order, Sender, bool]:
    """An order, who asks for it, and whether they may see its token. Raises 401 or 404.

    It opens to the account that placed it, to staff, and to whoever shows its token.
    """
    if not is_order_id(order_id):
        raise no_order(order_id)
    principal = principal_of(request)
    token = request.headers.get("order-token")
    if principal is None and token is None:
        raise _unauthorized(
            "the access token of the order's owner as a bearer, or the order's token as Order-Token"
        )
    order = await find_order(order_id)
    if order is None:
        raise no_order(order_id)
    if principal is not None and order.owner is not None and order.owner == principal.user_id:
        return order, principal.sender, True
    if token is not None and opens_order(edge_of(request).keyring, order_id, token):
        return order, holder(principal, order_id), True
    if principal is not None and principal.is_staff:
        return order, principal.sender, False
    raise no_order(order_id)


def require_sender(request: AnyRequest, operation: Operation) -> None:
    """Lets through who sent the command: the same account, or the token of the same cart or order.

    Raises 401 where no credential came, 404 for anybody else.
    """
    keyring = edge_of(request).keyring
    principal = principal_of(request)
    cart_token, order_token = request.headers.get("cart-token"), request.headers.get("order-token")
    kind, _, name = operation.sender.partition(":")
    if kind == "guest":
        if cart_token is not None and is_guest_cart(keyring, name) and opens_cart(keyring, name, cart_token):
            return
        if order_token is not None and is_order_id(name) and opens_order(keyring, name, order_token):
            return
    elif principal is not None and kind == "user" and principal.user_id == name:
        return
    if principal is None and cart_token is None and order_token is None:
        raise _unauthorized("the credential that sent the command: a bearer, Cart-Token or Order-Token")
    raise no_operation()


def no_cart(cart_id: str) -> Problem:
    """The answer to a cart that is not there, or not the asker's: both look alike."""
    return Problem(404, "not_found", f"There is no cart {cart_id[:64]}")


def no_order(order_id: str) -> Problem:
    """The answer to an order that is not there, or not the asker's: both look alike."""
    return Problem(404, "not_found", f"There is no order {order_id[:64]}")


def _unauthorized(needed: str) -> Problem:
    return Problem(401, "unauthorized", f"Send {needed}", {"WWW-Authenticate": "Bearer"})

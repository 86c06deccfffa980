"""Orders over HTTP: placed from a cart, read, cancelled and watched by their owner."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Stream

from app.access import order_for, sender_for_cart
from app.commands import accept
from app.cursors import cursor_of
from app.edge import edge_of
from app.etags import validated
from app.intake import intake
from app.operations import OperationView
from app.problems import Problem, invalid
from app.reads.orders import OrderPage, OrderView, list_orders, order_view
from app.routes.answers import CommandOperation, KeyedOperation, command, problems
from app.routes.inputs import (
    Cancellation,
    NewOrder,
    address_of,
    email_of,
    expected_of,
    method_of,
)
from app.security.capabilities import order_id_of, order_token
from app.security.guards import require_staff, require_user
from app.security.principal import somebody
from app.watching import HEADERS, MEDIA_TYPE, last_event_id, nothing_left, watch
from broker.messages import CancelOrder, PlaceOrder, Sender
from documents.accounts import User
from documents.orders import OrderStatus

AnyRequest = Request[Any, Any, Any]
OrderAnswer = Response[OperationView[OrderView]]

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="Orders on a page")]
PageCursor = Annotated[
    str | None, QueryParameter(name="cursor", description="`next_cursor` of the page before")
]
LastEventId = Annotated[
    str | None, HeaderParameter(name="Last-Event-ID", description="The id of the last event that was seen")
]

CANCELLED_BY_STAFF = "cancelled by the shop"


class Orders(Controller):
    """An order opens to the account that placed it, to staff, and to whoever shows its Order-Token."""

    path = "/orders"
    tags = ("orders",)
    opt = {"access": "capability"}

    @post(
        "/",
        operation_id="placeOrder",
        status_code=202,
        operation_class=KeyedOperation,
        summary="Place an order",
        responses=command(OrderView),
    )
    async def place(self, request: AnyRequest, data: JSONBody[NewOrder]) -> OrderAnswer:
        """Turns a cart into an order, in the cart's turn: stock is reserved, prices are the catalogue's of that moment.

        `out_of_stock`, `cart_empty`, `price_changed` (send `expected_total` to agree) and `not_for_sale` say no.
        """
        terms = edge_of(request).terms
        sender = sender_for_cart(request, data.cart_id)
        taken = await intake(request, sender, key_required=True)
        order_id = order_id_of(taken.message_id)
        order = PlaceOrder(
            cart_id=data.cart_id,
            order_id=order_id,
            email=await _email(data.email, sender),
            shipping_address=address_of(data.shipping_address),
            shipping_method=method_of(data.shipping_method, terms),
            payment_token=data.payment.token,
            expected_total=expected_of(data.expected_total, terms),
            guest_token=order_token(edge_of(request).keyring, order_id) if sender.user_id is None else None,
        )
        return await accept(request, order, sender=sender, resource=f"orders/{order_id}", taken=taken)

    @get(
        "/",
        operation_id="listOrders",
        opt={"access": "user"},
        guards=[require_user],
        summary="Your orders",
        responses=problems(400, 401, 422),
    )
    async def list_own(
        self, request: AnyRequest, limit: Limit = 20, page: PageCursor = None
    ) -> Response[OrderPage]:
        """Newest first, a page at a time."""
        owner = somebody(request).user_id
        wanted = {"owner": owner}
        found = await list_orders(edge_of(request), wanted, limit, cursor_of(page, wanted), with_token=True)
        return validated(request, found)

    @get("/{order_id:str}", operation_id="getOrder", summary="Read an order", responses=problems(401, 404))
    async def read(self, request: AnyRequest, order_id: FromPath[str]) -> Response[OrderView]:
        """As it stands now, with its history."""
        order, _, own = await order_for(request, order_id)
        return validated(request, order_view(edge_of(request), order, with_token=own))

    @post(
        "/{order_id:str}/cancel",
        operation_id="cancelOrder",
        status_code=202,
        operation_class=CommandOperation,
        summary="Cancel an order",
        responses=command(OrderView),
    )
    async def cancel(
        self, request: AnyRequest, order_id: FromPath[str], data: JSONBody[Cancellation | None] = None
    ) -> OrderAnswer:
        """Before shipping the payment is voided and the stock comes back; after, a refund is asked for."""
        order, sender, own = await order_for(request, order_id)
        message = CancelOrder(order_id=order.id)
        if data is not None and data.reason:
            message = CancelOrder(order_id=order.id, reason=data.reason.strip())
        elif not own:
            message = CancelOrder(order_id=order.id, reason=CANCELLED_BY_STAFF)
        return await accept(request, message, sender=sender, resource=f"orders/{order.id}")

    @get(
        "/{order_id:str}/events",
        operation_id="watchOrder",
        summary="Watch an order",
        media_type=MEDIA_TYPE,
        responses={
            200: ResponseSpec(
                str,
                description="One event for each change of state: `id` is the order's rev, `data` is JSON {order_id, "
                "rev, status, at, reason}",
                media_type=MEDIA_TYPE,
                generate_examples=False,
            ),
            204: ResponseSpec(None, description="The order is over, and every event was seen"),
            **problems(401, 404, 503),
        },
    )
    async def events(
        self, request: AnyRequest, order_id: FromPath[str], last_event: LastEventId = None
    ) -> Response[None] | Stream:
        """Server-sent events: history first, then live, until the order is over. Resumes at `Last-Event-ID`."""
        edge = edge_of(request)
        mark = edge.feeds.mark()
        order, _, _ = await order_for(request, order_id)
        seen = last_event_id(last_event)
        if nothing_left(order.history, seen, refund_pending=order.cancelling):
            return Response(None, status_code=204)
        if edge.feeds.watching >= edge.watchers_max:
            raise Problem(
                503,
                "too_many_watchers",
                "Too many clients watch orders here: try again",
                {"Retry-After": "5"},
            )
        events: AsyncGenerator[bytes, None] = watch(edge, order, seen, mark)
        return Stream(events, media_type=MEDIA_TYPE, headers=HEADERS)


class AdminOrders(Controller):
    """Every order, for staff."""

    path = "/admin/orders"
    tags = ("admin",)
    opt = {"access": "staff"}
    guards = (require_staff,)

    @get("/", operation_id="listAllOrders", summary="All orders", responses=problems(400, 401, 403, 422))
    async def list_all(
        self,
        request: AnyRequest,
        limit: Limit = 20,
        page: PageCursor = None,
        status: FromQuery[OrderStatus | None] = None,
        owner: Annotated[str | None, QueryParameter(max_length=64, description="A user's id")] = None,
        email: Annotated[
            str | None, QueryParameter(max_length=254, description="As it stands on the order")
        ] = None,
    ) -> OrderPage:
        """Newest first, a page at a time; without the tokens that open them."""
        asked = {"status": status.value if status else None, "owner": owner, "email": email}
        wanted = {name: value for name, value in asked.items() if value is not None}
        return await list_orders(edge_of(request), wanted, limit, cursor_of(page, wanted), with_token=False)


async def _email(given: str | None, sender: Sender) -> str:
    """Where the order's mail goes: as given, else the account's address; a guest has to give one."""
    if given is not None:
        return email_of(given)
    if sender.user_id is not None:
        user = await User.get(sender.user_id)
        if user is not None:
            return user.email
    raise invalid(email="is needed: there is no account to take it from")

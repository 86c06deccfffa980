"""Additions to carts, the command that shops send most: taken in without a framework's routing and dependencies.

Litestar takes every other request, and these too wherever something is not as it mostly is: a body that is long or not
JSON, an input that is refused, a credential that is missing or wrong. So each no that can be said before the broker is
asked has one author. What is taken here is checked by the same functions and goes the same way in
(`app.commands.take_in`); the answer is to the byte what `Carts.add_item` would give, and a test holds them together.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from litestar.connection import ASGIConnection
from litestar.serialization import encode_json

from app.access import sender_of
from app.commands import Answered, take_in
from app.edge import Edge
from app.intake import Asked, traceparent_of
from app.problems import Problem, said_of
from app.routes.inputs import NewItem, isbn_of
from app.security.principal import principal_of
from broker.messages import AddItem, Sender

BEFORE: Final = "/v1/carts/"
BEHIND: Final = "/items"
SLASHES: Final = 4
TEMPLATE: Final = "/v1/carts/{cart_id}/items"
BODY_BYTES_MAX: Final = 512  # an ISBN and a quantity, with room
JSON: Final = "application/json"
READ: Final = frozenset(
    {
        *(b"authorization", b"cart-token", b"idempotency-key", b"prefer", b"traceparent"),
        *(b"content-type", b"content-length"),
    }
)
NEW_ITEM: Final = msgspec.json.Decoder(NewItem)

Receive = Callable[[], Awaitable[Any]]
Headers = list[tuple[bytes, bytes]]


class Sent(NamedTuple):
    """An answer as it goes out."""

    status: int
    headers: Headers
    body: bytes


def fits(scope: Any) -> bool:
    """Whether a request may be one of these, by method and path."""
    path: str = scope["path"]
    fitting: bool = scope["method"] == "POST" and path.endswith(BEHIND) and path.startswith(BEFORE)
    return fitting and path.count("/") == SLASHES


async def take(edge: Edge, scope: Any, receive: Receive) -> tuple[Sent | None, Receive]:
    """The answer to a request that `fits`; None where Litestar has to answer, with what it receives the body from.

    `scope` holds the application, as for Litestar's own connections. Does not raise.
    """
    given = _given(scope["headers"])
    if given is None:
        return None, receive
    body, receive = await _body(receive)
    read = _read(edge, scope, given, body) if body is not None else None
    if read is None:
        return None, receive
    asked, sender, command = read
    scope["path_template"] = TEMPLATE
    try:
        answered = await take_in(edge, asked, command, sender=sender, resource=f"carts/{command.cart_id}")
    except Exception as error:  # noqa: BLE001 - as at the top of any application: logged in full, and answered
        answered = Answered(*said_of(error, asked.method, asked.path, asked.correlation_id))
    encoded = encode_json(answered.body)
    headers = [(name.lower().encode(), value.encode()) for name, value in answered.headers.items()]
    headers += (
        (b"content-type", answered.media_type.encode()),
        (b"content-length", b"%d" % len(encoded)),
    )
    return Sent(answered.status, headers, encoded), receive


def _given(headers: Headers) -> dict[bytes, list[str]] | None:
    """The headers that matter, by name; None where the body is none of ours, or one is there twice that must not be."""
    given: dict[bytes, list[str]] = {}
    for raw, value in headers:
        name = raw.lower()
        if name in READ:
            given.setdefault(name, []).append(value.decode("latin-1"))
    if any(len(values) > 1 for name, values in given.items() if name != b"prefer"):
        return None
    length = given.get(b"content-length", [""])[0]
    if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
        return None
    return given if given.get(b"content-type", [JSON]) == [JSON] else None


async def _body(receive: Receive) -> tuple[bytes | None, Receive]:
    """The body, and what gives its messages again; None where its sender went away."""
    messages: list[Any] = []
    body = b""
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            return None, _again(messages, receive)
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body, _again(messages, receive)


def _again(messages: list[Any], receive: Receive) -> Receive:
    left = iter(messages)

    async def receive_again() -> Any:
        for message in left:
            return message
        return await receive()

    return receive_again


def _read(
    edge: Edge, scope: Any, given: dict[bytes, list[str]], body: bytes
) -> tuple[Asked, Sender, AddItem] | None:
    """The command, and who sends it; None for whatever is refused."""
    cart_id = scope["path"][len(BEFORE) : -len(BEHIND)]

    def one(name: bytes) -> str | None:
        return given[name][0] if name in given else None

    try:
        item = NEW_ITEM.decode(body)
        command = AddItem(cart_id=cart_id, isbn=isbn_of(item.isbn), quantity=item.quantity)
        principal = principal_of(ASGIConnection(scope)) if b"authorization" in given else None
        sender = sender_of(edge.keyring, cart_id, principal, one(b"cart-token"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Problem):
        return None
    state = scope["state"]
    asked = Asked(
        scope["method"],
        scope["path"],
        body,
        state["correlation_id"],
        one(b"idempotency-key"),
        given.get(b"prefer", ()),
        traceparent_of(state, one(b"traceparent")),
    )
    return asked, sender, command

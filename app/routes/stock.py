"""A title's copies over HTTP. Staff only."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, put
from litestar.params import JSONBody, PathParameter

from app.commands import accept
from app.edge import Edge, edge_of
from app.operations import OperationView
from app.problems import Problem
from app.reads.resources import READERS
from app.reads.stock import StockView, read_stock
from app.routes.answers import command, problems
from app.routes.inputs import Input, isbn_of
from app.security.guards import require_staff
from app.security.principal import somebody
from broker.messages import SetStock
from documents.catalog import InvalidISBN, isbn13

AnyRequest = Request[Any, Any, Any]
COUNT_MAX = 2**31 - 1

IsbnPath = Annotated[str, PathParameter(max_length=60, description="ISBN-13 or ISBN-10, hyphens anywhere")]


class NewStock(Input, frozen=True):
    """How many copies there are, those that orders have reserved among them."""

    on_hand: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class Stock(Controller):
    """Copies on hand, and those of them that are promised to orders."""

    path = "/books/{isbn:str}/stock"
    tags = ("books",)
    guards = (require_staff,)
    opt = {"access": "staff"}

    @get("/", operation_id="getStock", summary="Read a title's copies", responses=problems(401, 403, 404))
    async def read(self, isbn: IsbnPath) -> Response[StockView]:
        """Straight from the database: stock is never cached."""
        stock = await read_stock(known_isbn(isbn))
        if stock is None:
            raise no_book(isbn)
        return Response(stock, headers={"Cache-Control": "no-store"})

    @put(
        "/",
        operation_id="putStock",
        status_code=202,
        summary="Set a title's copies on hand",
        responses=command(StockView, 403),
    )
    async def write(
        self, request: AnyRequest, isbn: IsbnPath, data: JSONBody[NewStock]
    ) -> Response[OperationView[StockView]]:
        """Below what orders have reserved it is rejected: `stock_reserved`."""
        key = isbn_of(isbn)
        message = SetStock(isbn=key, on_hand=data.on_hand)
        response = await accept(request, message, sender=somebody(request).sender, resource=f"stock/{key}")
        await edge_of(request).cache.drop(key)
        return response


def known_isbn(text: str) -> str:
    """The ISBN-13 of a title that is to be read. Raises 404 `book_unknown`: what is no ISBN is no book either."""
    try:
        return isbn13(text)
    except InvalidISBN as error:
        raise Problem(404, "book_unknown", str(error)) from error


def no_book(isbn: str) -> Problem:
    """The answer to a title that is not in the catalogue."""
    return Problem(404, "book_unknown", f"Book {isbn[:60]} is not in the catalogue", isbn=isbn[:60])


async def _stock_now(_: Edge, isbn: str, __: str) -> StockView | None:
    return await read_stock(isbn)


READERS["stock"] = _stock_now

"""Operations over HTTP: what became of a command."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from app.access import require_sender
from app.edge import edge_of
from app.operations import OperationView, reused, view
from app.reads.carts import CartView
from app.reads.catalog import BookView
from app.reads.orders import OrderView
from app.reads.resources import read_resource
from app.reads.shipments import ShipmentView
from app.reads.stock import StockView
from app.routes.answers import problems
from app.security.capabilities import read_operation_id
from app.waiting import read_receipt
from documents.operations import Outcome

Resource = CartView | OrderView | BookView | StockView | ShipmentView


@get(
    "/operations/{operation_id:str}",
    operation_id="getOperation",
    opt={"access": "capability"},
    tags=["operations"],
    summary="Read an operation",
    responses=problems(401, 404, 410),
)
async def read_operation(
    request: Request[Any, Any, Any], operation_id: FromPath[str]
) -> Response[OperationView[Resource]]:
    """What became of a command, read with the credential that sent it. Kept 30 days, then 410 `operation_expired`."""
    edge = edge_of(request)
    operation = read_operation_id(edge.keyring, operation_id, datetime.now(UTC))
    require_sender(request, operation)
    ended = await read_receipt(operation.group, operation.message_id)
    result = None
    if ended is not None and ended.status is Outcome.SUCCEEDED and not reused(operation, ended):
        result = await read_resource(edge, ended.resource or operation.resource, operation.sender)
    return Response(view(operation_id, operation, ended, result), headers={"Cache-Control": "no-store"})

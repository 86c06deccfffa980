"""The edge as an ASGI application, made from its parts."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.exceptions import NotFoundException

from app.bodies import JsonRequest
from app.edge import Edge
from app.outside import EdgeApplication
from app.problems import EXCEPTION_HANDLERS
from app.routes import ROUND_IT, V1
from app.routes.docs import openapi_config
from app.routes.shop import on_unknown_page
from app.security.principal import AuthenticationMiddleware


def create_app(edge: Edge) -> Litestar:
    """The application of one edge. Its lifespan opens and closes the consuming connection, and nothing else.

    Publisher, database, cache and accounts belong to whoever made them. It starts without a broker: reads are served,
    commands answer 503 until it is back.
    """
    return EdgeApplication(
        route_handlers=[Router("/v1", route_handlers=list(V1)), *ROUND_IT],
        state=State({"edge": edge, "accounts": edge.accounts}),
        lifespan=[_listening],
        middleware=[AuthenticationMiddleware],
        request_class=JsonRequest,
        exception_handlers={**EXCEPTION_HANDLERS, NotFoundException: on_unknown_page},
        openapi_config=openapi_config(edge.version),
        request_max_body_size=edge.body_bytes_max,
        logging_config=None,
    )


@asynccontextmanager
async def _listening(app: Litestar) -> AsyncGenerator[None, Any]:
    edge: Edge = app.state.edge
    edge.listener.start()
    try:
        yield
    finally:
        edge.leave()
        await edge.listener.close()


__all__ = ["Edge", "create_app"]

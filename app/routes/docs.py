"""The OpenAPI document at /docs, with Swagger UI from this machine: nothing is loaded from elsewhere."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from litestar import MediaType, Request, Response, Router, get
from litestar.enums import OpenAPIMediaType
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.params import FromPath

from app.openapi import finished
from app.problems import Problem

PATH: Final = "/docs"
FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
START: Final = b"""window.addEventListener("load", () => {
  SwaggerUIBundle({url: "/docs/openapi.json", dom_id: "#ui", deepLinking: true, tryItOutEnabled: true});
});
"""
PAGE: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quire: the HTTP API</title>
<link rel="icon" href="/docs/static/favicon-32x32.png">
<link rel="stylesheet" href="/docs/static/swagger-ui.css">
<script src="/docs/static/swagger-ui-bundle.js"></script>
<script src="/docs/static/start.js"></script>
</head>
<body>
<div id="ui"></div>
<noscript>The document itself: <a href="/docs/openapi.json">/docs/openapi.json</a></noscript>
</body>
</html>
"""
# Swagger UI styles its elements in place and draws its icons from data: URLs.
POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
)
DESCRIPTION = """An online bookstore. Reads answer at once; everything that changes a cart, an order or the catalogue is
a command: `202` with an operation to look at, or with `Prefer: wait=N` the outcome itself. Every error is problem
details (RFC 9457) with a stable `code`."""


def _static_folder() -> Path:
    """Where the package keeps Swagger UI. It is not imported: its own server parts are not needed here."""
    spec = find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("swagger_ui is missing: install swagger-ui-py")
    return Path(spec.origin).parent / "static"


STATIC: Final = _static_folder()


class Page(OpenAPIRenderPlugin):
    """Swagger UI."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """The same page for everybody: it fetches the document itself."""
        return PAGE


class Document(OpenAPIRenderPlugin):
    """The document itself, made once."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=OpenAPIMediaType.OPENAPI_JSON)
        self._document: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """JSON."""
        if self._document is None:
            self._document = finished(request.app, openapi_schema)
        return self._document


async def _dress(response: Any) -> Any:
    # Litestar answers unknown paths below its documentation with a page of its own.
    if response.status_code == 404:
        raise Problem(404, "not_found", "There is no such page of the documentation")
    if str(response.media_type).startswith(MediaType.HTML.value):
        response.headers["Content-Security-Policy"] = POLICY
    return response


@get("/static/{name:str}", sync_to_thread=True)
def static(name: FromPath[str]) -> Response[bytes]:
    """A file of Swagger UI, as its package has it."""
    headers = {"Cache-Control": "public, max-age=86400"}
    if name == "start.js":
        return Response(START, media_type="text/javascript", headers=headers)
    if name not in FILES:
        raise Problem(404, "not_found", f"There is no file {name[:64]}")
    return Response((STATIC / name).read_bytes(), media_type=FILES[name], headers=headers)


def openapi_config(version: str) -> OpenAPIConfig:
    """What Litestar makes the document from, and where it stands."""
    return OpenAPIConfig(
        title="Quire",
        version=version,
        description=DESCRIPTION,
        tags=[
            Tag(name)
            for name in ("catalog", "carts", "orders", "operations", "accounts", "shipments", "admin")
        ],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                "cartToken": SecurityScheme(type="apiKey", name="Cart-Token", security_scheme_in="header"),
                "orderToken": SecurityScheme(type="apiKey", name="Order-Token", security_scheme_in="header"),
            }
        ),
        path=PATH,
        render_plugins=[Page(), Document()],
        openapi_router=Router(
            PATH,
            route_handlers=[static],
            include_in_schema=False,
            opt={"access": "public", "exclude_from_auth": True},
            after_request=_dress,
        ),
    )

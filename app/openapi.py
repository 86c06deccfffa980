"""The OpenAPI document, finished: names that a generated client can live with, and who may call what."""

import re
from typing import Any

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.serialization import encode_json

from app.problems import MEDIA_TYPE
from app.routes.answers import SENTENCES

BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
HOLDER: list[dict[str, list[str]]] = [{"bearer": []}, {"cartToken": []}, {"orderToken": []}]
SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "public": [],
    "user": BEARER,
    "staff": BEARER,
    "capability": HOLDER,
}
GENERIC = re.compile(r"OperationView_.+_")


def finished(app: Litestar, schema: dict[str, Any]) -> bytes:
    """The document as JSON: Litestar's own, with short names for generic shapes and every route's credentials."""
    document = {**schema, "paths": {path: dict(item) for path, item in schema["paths"].items()}}
    for path, method, access in accesses(app):
        operation = document["paths"].get(path, {}).get(method)
        if operation is not None:
            answers = _answers(operation)
            document["paths"][path][method] = {
                **operation,
                "responses": answers,
                "security": SECURITY[access],
            }
    text = encode_json(document).decode()
    for name in schema["components"]["schemas"]:
        if GENERIC.fullmatch(name):
            text = text.replace(f'/{name}"', f'/{short(name)}"').replace(f'"{name}":', f'"{short(name)}":')
    return text.encode()


def _answers(operation: dict[str, Any]) -> dict[str, Any]:
    """Every answer of a route, with those that any body and any parameter can get.

    Litestar names a 400 of its own shape wherever there is something to decode; ours are problems.
    """
    answers = dict(operation["responses"])
    body = operation.get("requestBody", {}).get("content", {})
    if "application/json" in answers.get("400", {}).get("content", {}):
        answers["400"] = _problem(400)
    if body or operation.get("parameters"):
        answers.setdefault("422", _problem(422))
    if "application/json" in body:
        for status in (400, 413, 415):
            answers.setdefault(str(status), _problem(status))
    return dict(sorted(answers.items()))


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemView"}
    return {"description": SENTENCES[status], "content": {MEDIA_TYPE: {"schema": schema}}}


def short(name: str) -> str:
    """`CartOperation` for an operation whose result is a CartView; `Operation` for one that may have any."""
    results = re.findall(r"\.(\w+?)View_", name)
    return f"{results[0]}Operation" if len(results) == 1 else "Operation"


def accesses(app: Litestar) -> list[tuple[str, str, str]]:
    """Path, method and declared access of every route; OPTIONS, which tells no more than this, aside."""
    return [
        (route.path_format or "/", method.lower(), handler.opt.get("access", ""))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    ]

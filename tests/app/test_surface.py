"""What can be seen from outside: access, documentation, health, and the document that clients are made from."""

import re
from typing import Any

import pytest
from httpx import AsyncClient

from app.application import Edge, create_app
from app.openapi import accesses
from tests.app.edges import problem, serving

ACCESS = {"public", "user", "staff", "capability"}
NEEDS_ACCOUNT = {"user", "staff"}
PARAMETER = re.compile(r"\{[^}]+\}")


def test_every_route_declares_access(edge: Edge) -> None:
    """Every route says who may call it: public, user, staff or capability."""
    routes = accesses(create_app(edge))
    assert len(routes) > 40
    assert [(path, method) for path, method, access in routes if access not in ACCESS] == []


async def test_declared_access_holds(edge: Edge) -> None:
    """Every route that declares an account or staff is a 401 for nobody, before it looks at anything else."""
    async with serving(edge) as client:
        for path, method, access in accesses(create_app(edge)):
            if access in NEEDS_ACCOUNT:
                response = await client.request(method, PARAMETER.sub("x", path))
                assert response.status_code == 401, (method, path, response.text)


async def test_staff_routes_refuse_shoppers(edge: Edge) -> None:
    """Every route that declares staff is a 403 for a shopper."""
    from tests.app.edges import sign_in

    async with serving(edge) as client:
        ada = await sign_in(client)
        for path, method, access in accesses(create_app(edge)):
            if access == "staff":
                response = await client.request(method, PARAMETER.sub("x", path), headers=ada)
                problem(response, 403, "forbidden")


async def document(client: AsyncClient) -> dict[str, Any]:
    """The OpenAPI document."""
    response = await client.get("/docs/openapi.json")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def references(value: Any) -> set[str]:
    """Every $ref below a value."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(references(each) for each in value))
    return set()


async def test_openapi(client: AsyncClient) -> None:
    """Operations have ids of their own, references lead somewhere, names are fit for generated clients."""
    found = await document(client)
    operations = [each for item in found["paths"].values() for each in item.values()]
    ids = [each["operationId"] for each in operations]
    assert len(ids) == len(set(ids))
    schemas = found["components"]["schemas"]
    assert {ref.removeprefix("#/components/schemas/") for ref in references(found)} <= set(schemas)
    assert {"CartOperation", "OrderOperation", "StockOperation", "Operation", "OrderView"} <= set(schemas)
    assert [name for name in schemas if not re.fullmatch(r"[A-Za-z_0-9]+", name)] == []


async def test_openapi_commands(client: AsyncClient) -> None:
    """A command documents 202, 200, its problems, and the headers that it takes."""
    found = await document(client)
    add = found["paths"]["/v1/carts/{cart_id}/items"]["post"]
    assert add["operationId"] == "addItem"
    assert {"202", "200", "401", "404", "409", "422", "503", "504"} <= set(add["responses"])
    assert "application/problem+json" in add["responses"]["409"]["content"]
    assert {"Prefer", "Idempotency-Key"} <= {each["name"] for each in add["parameters"]}
    ref = add["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert ref == "#/components/schemas/CartOperation"
    assert {"cartToken": []} in add["security"]
    place = found["paths"]["/v1/orders"]["post"]
    assert [each["name"] for each in place["parameters"]].count("Idempotency-Key") == 1


async def test_openapi_problems(client: AsyncClient) -> None:
    """Every 4xx and 5xx that is documented is a problem; what can be decoded wrongly says so."""
    found = await document(client)
    operations = [each for item in found["paths"].values() for each in item.values()]
    for operation in operations:
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (operation, status)
    for operation in operations:
        if operation.get("parameters"):
            assert "422" in operation["responses"], operation["operationId"]
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            assert {"400", "413", "415", "422"} <= set(operation["responses"]), operation["operationId"]


async def test_options_name_every_method(edge: Edge) -> None:
    """OPTIONS names what the document has for a path, and HEAD where there is GET."""
    async with serving(edge) as client:
        for path, item in (await document(client))["paths"].items():
            methods = {each.upper() for each in item} | {"OPTIONS"}
            methods |= {"HEAD"} if "GET" in methods else set()
            response = await client.options(PARAMETER.sub("x", path))
            assert set(response.headers["allow"].split(", ")) == methods, path


async def test_docs_offline(client: AsyncClient) -> None:
    """The page of the documentation loads nothing from elsewhere, and everything that it names is there."""
    page = await client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert named
    assert all(each.startswith("/docs/") for each in named)
    for path in named:
        assert (await client.get(path)).status_code == 200
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'self'" in page.headers["content-security-policy"]


async def test_index(client: AsyncClient) -> None:
    """The first page says where things are, and they are there."""
    links = (await client.get("/")).json()["links"]
    for name in ("openapi", "docs", "live", "ready", "metrics"):
        assert (await client.get(links[name])).status_code == 200, name


async def test_asyncapi(edge: Edge) -> None:
    """The AsyncAPI document is the one that the edge was given; without one it is a 404."""
    async with serving(edge) as client:
        problem(await client.get("/asyncapi"), 404, "not_found")
        edge.asyncapi = {"asyncapi": "3.0.0"}
        assert (await client.get("/asyncapi")).json() == {"asyncapi": "3.0.0"}


async def test_ready(client: AsyncClient) -> None:
    """An edge with everything is ready and names its parts."""
    response = await client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "parts": {"broker": {"ok": True, "detail": None}, "database": {"ok": True, "detail": None}},
    }


async def test_not_ready(edge: Edge) -> None:
    """A part that reads need and that is away makes the edge unready; another one is only named."""

    async def away() -> str | None:
        return "away"

    edge.probes = {"cache": away}
    async with serving(edge) as client:
        assert (await client.get("/health/ready")).json()["parts"]["cache"] == {"ok": False, "detail": "away"}
        edge.probes = {"database": away}
        body = problem(await client.get("/health/ready"), 503, "unavailable")
        assert body["parts"]["database"]["detail"] == "away"
        assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize(
    "name", ["quire_edge_watching", "quire_edge_publisher_ready", "process_resident_memory"]
)
async def test_metrics(client: AsyncClient, name: str) -> None:
    """Prometheus reads the edge's own series and the process's."""
    response = await client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    assert name in response.text


async def test_unknown_routes_share_one_series(client: AsyncClient) -> None:
    """Paths that nobody knows make no series each."""
    for number in range(3):
        await client.get(f"/nowhere/{number}")
    text = (await client.get("/metrics")).text
    assert 'route="(none)",status="404"} 3.0' in text


async def test_foreign_methods_share_one_series(client: AsyncClient) -> None:
    """Methods that a client makes up make no series each."""
    for method in ("BREW", "WHEN"):
        problem(await client.request(method, "/v1/books"), 405, "method_not_allowed")
    text = (await client.get("/metrics")).text
    assert "BREW" not in text
    assert 'method="_OTHER",route="(none)",status="405"} 2.0' in text


@pytest.mark.parametrize("path", ["/v1/books", "/health/live", "/nowhere", "/v1/orders"])
async def test_head(client: AsyncClient, path: str) -> None:
    """HEAD is what GET is, without the body."""
    whole, head = await client.get(path), await client.head(path)
    assert head.status_code == whole.status_code
    assert head.content == b""
    for name in ("content-type", "content-length", "etag"):
        assert head.headers.get(name) == whole.headers.get(name), name
    assert 'method="HEAD"' in (await client.get("/metrics")).text


async def test_head_of_what_knows_no_get(client: AsyncClient) -> None:
    """HEAD of a resource without GET is a 405; where there is GET, both are named among the methods."""
    assert (await client.head("/v1/carts")).status_code == 405
    response = await client.delete("/v1/books")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"

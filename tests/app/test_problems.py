"""Every 4xx and 5xx is problem+json with a stable code, and every code is documented."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import AsyncClient
from pymongo.errors import AutoReconnect, OperationFailure

import app.routes  # noqa: F401 - other modules of the edge add their codes when they are imported
import documents  # noqa: F401 - as above, for refusals
from app.application import Edge
from app.problems import CODES, REFUSED, Problem, invalid, problem_body, refusal_status, title_of
from documents.refusals import REFUSALS, CannotCancel, Refusal
from tests.app.edges import problem, serving

DOCS = Path(__file__).parents[2] / "docs" / "problems.md"


def refusals(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Every rule that can say no, also those that stand beside their document; those of tests aside."""
    for each in kind.__subclasses__():
        if each.__module__.startswith("documents"):
            yield each
        yield from refusals(each)


def documented() -> dict[str, set[int]]:
    """The codes of the tables in the documentation, with their statuses."""
    rows = re.findall(r"^\| `([a-z_]+)` \| ([0-9, ]+) \|", DOCS.read_text("utf-8"), re.MULTILINE)
    found: dict[str, set[int]] = {}
    for code, statuses in rows:
        found.setdefault(code, set()).update(int(status) for status in statuses.split(","))
    return found


def test_list_is_whole() -> None:
    """docs/problems.md lists every code with its status, and no code that nobody says."""
    said: dict[str, set[int]] = {}
    for code, meaning in CODES.items():
        said.setdefault(code, set()).add(meaning.status)
    for refusal in refusals():
        said.setdefault(refusal.code, set()).add(refusal_status(refusal.code))
    listed = documented()
    assert set(listed) == set(said)
    for code, statuses in said.items():
        assert statuses <= listed[code], code


def test_refusals_are_known() -> None:
    """Every status that is set for a refusal belongs to one, and every refusal has a title of its own."""
    codes = {refusal.code for refusal in refusals()}
    assert set(REFUSED) <= codes
    assert all(title_of(refusal.code) for refusal in REFUSALS)


def test_invalid_names_fields() -> None:
    """A double underscore stands for the dot of a nested field."""
    error = invalid(address__city="is empty")
    assert error.extensions["errors"] == [{"field": "address.city", "message": "is empty"}]


async def test_unknown_route(client: AsyncClient) -> None:
    """An unknown route is a problem, whatever its method and prefix, below the documentation too."""
    for method, path in [
        ("GET", "/nowhere"),
        ("POST", "/v1/nowhere"),
        ("GET", "/v1"),
        ("GET", "/docs/nowhere"),
        ("GET", "/docs/static/nowhere.js"),
        ("GET", "/docs/static/..%2f..%2fcore.py"),
        ("GET", "/problems/nowhere"),
    ]:
        response = await client.request(method, path)
        problem(response, 404, "not_found")
        assert response.headers["x-correlation-id"]


async def test_wrong_method(client: AsyncClient) -> None:
    """A method that a resource does not know is a 405 that names those it knows."""
    response = await client.patch("/v1/carts")
    problem(response, 405, "method_not_allowed")
    assert "POST" in response.headers["allow"]


async def test_every_answer(client: AsyncClient) -> None:
    """Every answer has a correlation id and the security headers, errors too."""
    for path in ("/health/live", "/nowhere", "/v1/orders", "/docs"):
        headers = (await client.get(path)).headers
        assert headers["x-correlation-id"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_type_leads_somewhere(client: AsyncClient) -> None:
    """A problem's type is a page of the edge that says what it means."""
    body = problem(await client.get("/nowhere"), 404, "not_found")
    meaning = await client.get(body["type"])
    assert meaning.status_code == 200
    assert meaning.json() == {"code": "not_found", "title": body["title"], "status": 404}
    for refusal in REFUSALS:
        assert (await client.get(f"/problems/{refusal.code}")).status_code == 200


class Failing:
    """A probe that breaks as it is told to."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def __call__(self) -> str | None:
        """Raises."""
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError("password=hunter2"), 500, "internal_error"),
        (AutoReconnect("mongo:27017 closed"), 503, "database_unavailable"),
        (OperationFailure("bad query"), 500, "internal_error"),
        (Problem(409, "conflict", "no", {"X-Why": "test"}, extra=1), 409, "conflict"),
    ],
)
async def test_unexpected(edge: Edge, error: Exception, status: int, code: str) -> None:
    """An error that nobody expected is a 500 that tells nothing of the inside but the correlation id."""
    edge.probes = {"part": Failing(error)}
    async with serving(edge) as client:
        response = await client.get("/health/ready", headers={"X-Correlation-ID": "find-me"})
        body = problem(response, status, code)
        assert "hunter2" not in response.text
        assert "27017" not in response.text
        if code == "internal_error":
            assert body["correlation_id"] == "find-me"


def test_extensions_do_not_hide_members() -> None:
    """A rule's detail that is named like a member of the standard stands beside it: an order's status, for one."""
    refusal = CannotCancel("o1", "shipped")
    body = problem_body(409, refusal.code, refusal.message, **refusal.details)
    assert body["status"] == 409
    assert body["actor_status"] == "shipped"
    assert body["order_id"] == "o1"

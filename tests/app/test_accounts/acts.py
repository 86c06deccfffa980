"""What the tests of accounts do again and again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from httpx import AsyncClient, Response

OPERATOR = "operator-token-of-these-tests-0123456789"
ADA = {"email": "Ada@Example.com", "password": "correct horse battery", "name": "Ada Lovelace"}
HOME = {"name": "Ada", "line1": "1 Main St", "city": "London", "postal_code": "W1", "country": "GB"}
Client = AsyncClient


class Clock:
    """A time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **delta: float) -> None:
        """Moves on."""
        self.now += timedelta(**delta)


def problem(response: Response, status: int, code: str) -> dict[str, Any]:
    """The body of a problem, after a look at its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    body: dict[str, Any] = response.json()
    assert body["code"] == code
    assert body["status"] == status
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
    return body


async def register(client: Client, **changes: str) -> dict[str, Any]:
    """A new account."""
    response = await client.post("/v1/users", json=ADA | changes)
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def sign_in(client: Client, **changes: str) -> dict[str, Any]:
    """A new session's tokens."""
    credentials = {"email": ADA["email"], "password": ADA["password"]} | changes
    response = await client.post("/v1/sessions", json=credentials)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def bearer(tokens: dict[str, Any] | str) -> dict[str, str]:
    """The header that carries a session's access token."""
    token = tokens if isinstance(tokens, str) else tokens["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def refresh(client: Client, token: str) -> Response:
    """One refresh."""
    return await client.post("/v1/sessions/refresh", json={"refresh_token": token})

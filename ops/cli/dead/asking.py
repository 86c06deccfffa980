"""Asking the edge, with the operator's token or the one that was given."""

from typing import TYPE_CHECKING, Any

from ops.cli.common import Data, bearer_of

if TYPE_CHECKING:
    from httpx import Client

PATIENCE_S = 600.0  # ten thousand letters take a minute


class DeadFailed(OSError):
    """The edge does not answer, or says no; the text says what to do."""


def client_of(data: Data, url: str | None, token: str | None) -> "Client":
    """A client with the operator's token, of the instance on that folder or of `--url`."""
    from httpx import Client

    from ops.instance import find

    if url is None:
        instance = find(data)
        url, token = instance.url, instance.operator_token
    headers = {"Authorization": f"Bearer {bearer_of(token)}"}
    return Client(base_url=url, headers=headers, timeout=PATIENCE_S)


def ask(client: "Client", method: str, path: str, **options: Any) -> dict[str, Any]:
    """The edge's answer. Raises `DeadFailed`."""
    from httpx import HTTPError

    try:
        response = client.request(method, path, **options)
    except HTTPError as error:
        raise DeadFailed(f"{client.base_url} does not answer: {error}") from error
    try:
        body: dict[str, Any] = response.json()
    except ValueError as error:
        raise DeadFailed(
            f"{client.base_url} answered {response.status_code}, and not as Quire does"
        ) from error
    if response.is_error:
        raise DeadFailed(f"{body.get('detail', response.status_code)} ({body.get('code')})")
    return body

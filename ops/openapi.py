"""`python -m ops.openapi`: the HTTP interface's OpenAPI document on standard output. Nothing needs to run for it."""

import secrets
import sys
import tempfile
from pathlib import Path

from pydantic import SecretStr

from app.application import create_app
from app.openapi import finished
from ops.edge import make_edge
from ops.settings import Settings

NOWHERE = "amqp://localhost"  # never connected to


def document() -> bytes:
    """What /docs/openapi.json of an edge says, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder), signing_keys=SecretStr(secrets.token_urlsafe(32)))
        edge = make_edge(settings, NOWHERE, embedded=True)
        try:
            app = create_app(edge)
            return finished(app, app.openapi_schema.to_schema())
        finally:
            edge.accounts.close()


if __name__ == "__main__":
    sys.stdout.buffer.write(document())

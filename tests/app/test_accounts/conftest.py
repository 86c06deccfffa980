"""The accounts service on an empty database, and an edge with its routes alone."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from beanie import init_beanie
from httpx import ASGITransport, AsyncClient
from litestar import Litestar, Router
from litestar.datastructures import State
from pymongo.asynchronous.database import AsyncDatabase

from app.bodies import JsonRequest
from app.problems import EXCEPTION_HANDLERS
from app.routes.accounts import ROUTES
from app.security.accounts import Accounts
from app.security.keys import Keyring
from app.security.passwords import Passwords
from app.security.principal import AuthenticationMiddleware
from documents.accounts import (
    ACCOUNT_DOCUMENTS,
)
from tests.app.test_accounts.acts import OPERATOR, Client, Clock


@pytest.fixture
def clock() -> Clock:
    """The accounts' clock."""
    return Clock()


@pytest.fixture
async def accounts(mongo_database: AsyncDatabase[dict[str, Any]], clock: Clock) -> AsyncIterator[Accounts]:
    """The service on an empty database, with the cheapest argon2."""
    await init_beanie(database=mongo_database, document_models=list(ACCOUNT_DOCUMENTS))
    service = Accounts(
        keyring=Keyring.generate(),
        operator_token=OPERATOR,
        passwords=Passwords(memory_kib=8, passes=1),
        clock=clock,
    )
    yield service
    service.close()


@pytest.fixture
def app(accounts: Accounts) -> Litestar:
    """An edge with these routes alone."""
    return Litestar(
        [Router("/v1", route_handlers=ROUTES)],
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=[AuthenticationMiddleware],
        request_class=JsonRequest,
        state=State({"accounts": accounts}),
    )


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[Client]:
    """A client of that edge, on the loop of the tests: the database's client belongs to it."""
    transport = ASGITransport(cast(Any, app), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://quire.test") as client:
        yield client

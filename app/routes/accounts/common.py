"""What both controllers ask for."""

from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec

from app.operations import ProblemView
from app.problems import MEDIA_TYPE
from app.security.accounts import Accounts
from app.security.principal import Principal, current_user

Service = NamedDependency[Accounts]
Me = NamedDependency[Principal]

LIMITED = {
    429: ResponseSpec(
        ProblemView,
        description="Too many wrong passwords: see Retry-After and RateLimit-*",
        media_type=MEDIA_TYPE,
        generate_examples=False,
    )
}

USER: dict[str, Any] = {"access": "user"}
PUBLIC: dict[str, Any] = {"access": "public", "exclude_from_auth": True}


def provide_accounts(state: State) -> Accounts:
    """The service that ops made."""
    accounts: Accounts = state.accounts
    return accounts


def host_of(request: Request[Any, Any, Any]) -> str | None:
    """The client's address, for the throttle."""
    # The peer as the server reports it, which is told whose X-Forwarded-For to believe (QUIRE_PROXIES): a header that
    # any client can write must not decide whose attempts are counted.
    return request.client.host if request.client else None


DEPENDENCIES = {
    "accounts": Provide(provide_accounts, sync_to_thread=False),
    "principal": Provide(current_user),
}

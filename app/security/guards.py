"""Guards: the access that a handler declares, `guards=[require_staff], opt={"access": "staff"}`."""

from litestar.handlers import BaseRouteHandler

from app.problems import Problem
from app.security.principal import Connection, somebody


def require_user(connection: Connection, _: BaseRouteHandler) -> None:
    """Somebody signed in, or the operator: else 401."""
    somebody(connection)


def require_staff(connection: Connection, _: BaseRouteHandler) -> None:
    """An account with the role `staff`, or the operator: else 401 or, signed in, 403."""
    if not somebody(connection).is_staff:
        raise Problem(403, "forbidden", "This needs the role staff")

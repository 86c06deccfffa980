"""Users and sessions over HTTP."""

from app.routes.accounts.sessions import Sessions
from app.routes.accounts.users import Users

ROUTES = (Users, Sessions)

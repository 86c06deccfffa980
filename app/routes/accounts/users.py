"""Registration, and everybody's own profile."""

from typing import Annotated, Any

import msgspec
import uuid_utils
from litestar import Controller, Request, Response, delete, get, patch, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody

from app.operations import ProblemView
from app.problems import MEDIA_TYPE
from app.routes.accounts.common import DEPENDENCIES, LIMITED, PUBLIC, USER, Me, Service, host_of
from app.routes.accounts.shapes import (
    AddressList,
    AddressView,
    NewUser,
    ProfilePatch,
    UserView,
    saved_address,
    view_address,
    view_user,
)
from app.routes.answers import problems
from app.routes.inputs import AddressInput
from app.security.accounts import ProfileChange
from app.security.answers import USER_ANSWERS
from app.security.guards import require_user
from documents.accounts import User

IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description="The profile's ETag: change only that one")
]

MOVED = {
    412: ResponseSpec(
        ProblemView,
        description="The profile is at another revision than If-Match names",
        media_type=MEDIA_TYPE,
        generate_examples=False,
    )
}


def _profile(user: User, status: int = 200, headers: dict[str, str] | None = None) -> Response[UserView]:
    return Response(view_user(user), status_code=status, headers={"ETag": f'"{user.rev}"', **(headers or {})})


def _rev(if_match: str | None) -> int | None:
    """The revision that an If-Match names; one that cannot be ours matches none."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().strip('"')
    return int(tag) if tag.isdecimal() and len(tag) < 10 else -1


def _set(value: str | msgspec.UnsetType) -> str | None:
    return None if value is msgspec.UNSET else str(value)


class Users(Controller):
    """Registration, and everybody's own profile."""

    path = "/users"
    tags = ("accounts",)
    dependencies = DEPENDENCIES
    exception_handlers = USER_ANSWERS

    @post("/", opt=PUBLIC, operation_id="register", summary="Register", responses=problems(409, 422, 503))
    async def register(self, data: JSONBody[NewUser], accounts: Service) -> Response[UserView]:
        """A new account: 201, or 409 `email_taken`. It can sign in and buy at once."""
        user = await accounts.register(data.email, data.name, data.password)
        return _profile(user, 201, {"Location": "/v1/users/me"})

    @get(
        "/me",
        guards=[require_user],
        opt=USER,
        operation_id="getProfile",
        summary="The profile",
        responses=problems(401, 403),
    )
    async def profile(self, principal: Me, accounts: Service) -> Response[UserView]:
        """The signed-in user's own; the ETag is its revision."""
        return _profile(await accounts.user(principal.user_id))

    @patch(
        "/me",
        guards=[require_user],
        opt=USER,
        operation_id="changeProfile",
        summary="Change the profile",
        responses=problems(401, 403, 409, 422, 503) | MOVED | LIMITED,
    )
    async def change_profile(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[ProfilePatch],
        principal: Me,
        accounts: Service,
        if_match: IfMatch = None,
    ) -> Response[UserView]:
        """Changes what is given. `email` and `password` need `current_password`; a new password ends other
        sessions.
        """
        change = ProfileChange(
            _set(data.name), _set(data.email), _set(data.password), _set(data.current_password)
        )
        user = await accounts.change_profile(
            principal.user_id, principal.session, change, host_of(request), _rev(if_match)
        )
        return _profile(user)

    @get(
        "/me/addresses",
        guards=[require_user],
        opt=USER,
        operation_id="listAddresses",
        summary="The addresses",
        responses=problems(401, 403),
    )
    async def addresses(self, principal: Me, accounts: Service) -> AddressList:
        """All of them, oldest first."""
        user = await accounts.user(principal.user_id)
        return AddressList([view_address(each) for each in user.addresses])

    @post(
        "/me/addresses",
        guards=[require_user],
        opt=USER,
        operation_id="addAddress",
        summary="Keep an address",
        responses=problems(401, 403, 409, 422),
    )
    async def add_address(
        self,
        data: JSONBody[AddressInput],
        principal: Me,
        accounts: Service,
    ) -> Response[AddressView]:
        """One more: 201, or 409 `address_book_full` beyond 20."""
        address = saved_address(uuid_utils.uuid7().hex, data)
        await accounts.change(principal.user_id, lambda user: user.add_address(address))
        headers = {"Location": f"/v1/users/me/addresses/{address.id}"}
        return Response(view_address(address), status_code=201, headers=headers)

    @put(
        "/me/addresses/{address_id:str}",
        guards=[require_user],
        opt=USER,
        operation_id="replaceAddress",
        summary="Replace an address",
        responses=problems(401, 403, 404, 422),
    )
    async def replace_address(
        self,
        address_id: FromPath[str],
        data: JSONBody[AddressInput],
        principal: Me,
        accounts: Service,
    ) -> AddressView:
        """The address as it is now; 404 where the account keeps none with that id."""
        address = saved_address(address_id, data)
        await accounts.change(principal.user_id, lambda user: user.replace_address(address))
        return view_address(address)

    @delete(
        "/me/addresses/{address_id:str}",
        guards=[require_user],
        opt=USER,
        operation_id="removeAddress",
        summary="Forget an address",
        responses=problems(401, 403, 404),
    )
    async def remove_address(
        self,
        address_id: FromPath[str],
        principal: Me,
        accounts: Service,
    ) -> None:
        """204; 404 where the account keeps none with that id."""
        await accounts.change(principal.user_id, lambda user: user.remove_address(address_id))

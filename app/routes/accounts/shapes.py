"""What comes in and what goes out."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from app.routes.inputs import AddressInput, countries
from documents.accounts import EMAIL_LENGTH_MAX, InvalidField, SavedAddress, User, clean_line

Email = Annotated[str, Meta(max_length=EMAIL_LENGTH_MAX, description="An e-mail address")]
Password = Annotated[str, Meta(max_length=1024, description="8 to 128 characters of any kind")]
Name = Annotated[str, Meta(max_length=1024, description="1 to 100 characters")]


class Discreet(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A body with secrets in it: however it is printed or logged, they are not."""

    def __repr__(self) -> str:
        """Its name alone."""
        return f"{type(self).__name__}(...)"


class NewUser(Discreet, frozen=True):
    """A registration."""

    email: Email
    password: Password
    name: Name


class Credentials(Discreet, frozen=True):
    """A sign-in."""

    email: Annotated[str, Meta(max_length=1024)]
    password: Annotated[str, Meta(max_length=1024)]


class Refresh(Discreet, frozen=True):
    """A session's newest refresh token."""

    refresh_token: Annotated[str, Meta(max_length=2048)]


class ProfilePatch(Discreet, frozen=True):
    """What changes; `email` and `password` need `current_password`."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    email: Email | msgspec.UnsetType = msgspec.UNSET
    password: Password | msgspec.UnsetType = msgspec.UNSET
    current_password: Annotated[str, Meta(max_length=1024)] | msgspec.UnsetType = msgspec.UNSET


class TokenView(Discreet, frozen=True):
    """A session's tokens, as RFC 6749 (5.1) names them; `expires_in` in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class UserView(msgspec.Struct, frozen=True):
    """A profile; `rev` is also its ETag."""

    id: str
    email: str
    name: str
    roles: list[str]
    verified: bool
    created_at: datetime
    rev: int


class AddressView(msgspec.Struct, frozen=True, kw_only=True):
    """An address of the account."""

    id: str
    name: str
    line1: str
    line2: str | None
    city: str
    postal_code: str
    country: str


class AddressList(msgspec.Struct, frozen=True):
    """All addresses of the account, oldest first: at most 20, so there are no pages."""

    items: list[AddressView]


def view_user(user: User) -> UserView:
    """A user as its owner sees it."""
    roles = [role.value for role in user.roles]
    return UserView(user.id, user.email, user.name, roles, user.verified, user.created_at, user.rev)


def saved_address(address_id: str, given: AddressInput) -> SavedAddress:
    """The address as the account keeps it. Raises `InvalidField`."""
    country = given.country.upper()
    if country not in countries():
        raise InvalidField("country", f"is no ISO 3166-1 alpha-2 code: {country}")
    return SavedAddress(
        id=address_id,
        name=clean_line("name", given.name),
        line1=clean_line("line1", given.line1),
        line2=clean_line("line2", given.line2 or "") or None,
        city=clean_line("city", given.city),
        postal_code=clean_line("postal_code", given.postal_code),
        country=country,
    )


def view_address(address: SavedAddress) -> AddressView:
    """An address as its owner sees it."""
    return AddressView(**address.model_dump())

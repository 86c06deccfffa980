"""Accounts: who shops here, where their parcels go, and the families of refresh tokens that keep them signed
in.
"""

import hashlib
import unicodedata
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from beanie import Document
from email_validator import EmailNotValidError, validate_email
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from documents.orders import Address
from documents.refusals import Refusal

EMAIL_LENGTH_MAX = 254  # RFC 5321's path of 256, less its angle brackets
NAME_LENGTH_MAX = 100
PASSWORD_LENGTH_MIN = 8  # NIST SP 800-63B, 5.1.1.2
PASSWORD_LENGTH_MAX = 128
ADDRESSES_MAX = 20
FAMILIES_MAX = 50  # signed-in devices of one account; the oldest makes room

FAMILY_IDLE_LIFETIME = timedelta(days=30)
FAMILY_LIFETIME = timedelta(days=90)


class Role(StrEnum):
    """What an account may do for the shop."""

    SHOPPER = "shopper"
    STAFF = "staff"


class EmailTaken(Refusal):
    """Another account has this address."""

    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("Another account has this e-mail address: sign in, or use another one")


class InvalidField(ValueError):
    """What was given cannot be this field; `reason` completes the sentence "The <field> ..."."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"The {field} {reason}")
        self.field = field
        self.reason = reason


class AddressBookFull(Refusal):
    """An account keeps a bounded number of addresses."""

    code = "address_book_full"

    def __init__(self, user_id: str) -> None:
        super().__init__(
            f"Account {user_id} already keeps {ADDRESSES_MAX} addresses: delete one first",
            addresses_max=ADDRESSES_MAX,
        )


class AddressUnknown(Refusal):
    """The account keeps no such address."""

    code = "not_found"

    def __init__(self, address_id: str) -> None:
        super().__init__(f"There is no address {address_id} in this account")


class SavedAddress(Address):
    """A postal address with an id of its own, unique within the account."""

    id: str


class Identity(BaseModel):
    """The account at an outside identity provider, by that provider's stable subject."""

    provider: str
    subject: str


class User(Document):
    """One account. `email` is as typed, `email_key` what makes it unique; `rev` grows by one with every
    change.

    `password_hash` is None where only outside identities sign in. `epoch` counts changes of the password:
    refresh tokens of an earlier one are dead, also where their documents could not be touched.
    """

    id: str  # type: ignore[assignment]
    rev: int = 1
    email: str
    email_key: str
    name: str
    password_hash: str | None = Field(default=None, repr=False)
    epoch: int = 0
    roles: list[Role] = Field(default_factory=lambda: [Role.SHOPPER])
    verified: bool = False  # that mail reaches its owner; an unverified account can sign in and buy
    addresses: list[SavedAddress] = Field(default_factory=list)
    identities: list[Identity] = Field(default_factory=list)
    created_at: datetime

    class Settings:
        """One account an address, one account an outside identity."""

        name = "users"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("email_key", ASCENDING)], unique=True),
            IndexModel(
                [("identities.provider", ASCENDING), ("identities.subject", ASCENDING)],
                unique=True,
                partialFilterExpression={"identities.subject": {"$type": "string"}},
            ),
        ]

    def change_email(self, email: str) -> None:
        """Takes another address, which nobody has verified yet; a new spelling of the same one stays
        verified.
        """
        key = email_key(email)
        if key != self.email_key:
            self.verified = False
        self.email, self.email_key = display_email(email), key

    def change_password(self, password_hash: str) -> None:
        """Takes another password; refresh tokens of the one before die."""
        self.password_hash = password_hash
        self.epoch += 1

    def address(self, address_id: str) -> SavedAddress:
        """One of the account's addresses. Raises `AddressUnknown`."""
        for address in self.addresses:
            if address.id == address_id:
                return address
        raise AddressUnknown(address_id)

    def add_address(self, address: SavedAddress) -> None:
        """Keeps one more address, last in the list. Raises `AddressBookFull`."""
        if len(self.addresses) >= ADDRESSES_MAX:
            raise AddressBookFull(self.id)
        self.addresses = [*self.addresses, address]

    def replace_address(self, address: SavedAddress) -> None:
        """Puts an address in the place of the one with its id. Raises `AddressUnknown`."""
        self.address(address.id)
        self.addresses = [address if each.id == address.id else each for each in self.addresses]

    def remove_address(self, address_id: str) -> None:
        """Forgets an address. Raises `AddressUnknown`."""
        gone = self.address(address_id)
        self.addresses = [each for each in self.addresses if each is not gone]

    def stored(self) -> dict[str, Any]:
        """The fields as MongoDB keeps them, without the id."""
        fields: dict[str, Any] = self.model_dump(exclude={"id", "revision_id"})
        return fields


class RefreshToken(Document):
    """A family of refresh tokens: one sign-in on one device, of which only the newest token is good.

    `id` is a hash of the secret handle that the family's tokens carry. `generation` names the newest token;
    `rotated_at` is when it was first handed out.
    """

    id: str  # type: ignore[assignment]
    user_id: str
    epoch: int  # of the user when they signed in
    generation: int = 1
    created_at: datetime
    rotated_at: datetime
    expires_at: datetime  # the database drops it then
    revoked: str | None = None  # why: "signed_out", "reused", "password_changed"

    class Settings:
        """Listed by user, newest first; dropped when expired."""

        name = "refresh_tokens"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("user_id", ASCENDING), ("created_at", DESCENDING)]),
            IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
        ]

    @staticmethod
    def expiry(created_at: datetime, now: datetime) -> datetime:
        """When a family ends that is used now: 30 idle days on, and never later than 90 days after the
        sign-in.
        """
        return min(created_at + FAMILY_LIFETIME, now + FAMILY_IDLE_LIFETIME)


ACCOUNT_DOCUMENTS: tuple[type[Document], ...] = (User, RefreshToken)


def cart_of(user_id: str) -> str:
    """The id of the shopper's own cart: always the same for one user, and none that a guest can be given."""
    return "u" + hashlib.blake2b(user_id.encode(), digest_size=16, person=b"quire-cart").hexdigest()


def display_email(email: str) -> str:
    """The address as typed, in the form that mail is sent to. Raises `InvalidField`."""
    return _parse_email(email)[0]


def email_key(email: str) -> str:
    """What makes two spellings one account: the caseless, compatibility-folded local part at the ASCII
    domain.

    Stable: the key of any valid spelling of an address is the same text. Raises `InvalidField`.
    """
    return _parse_email(email)[1]


def _parse_email(email: str) -> tuple[str, str]:
    # Reserved test domains (RFC 6761) are let in: a shop that is being tried out has no others. No DNS:
    # whether mail arrives is for verification to find out, and an edge must not wait for a stranger's name
    # server.
    try:
        parsed = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise InvalidField("email", f"is not an e-mail address: {error}") from error
    return parsed.normalized, f"{caseless(parsed.local_part)}@{parsed.ascii_domain.lower()}"


def caseless(text: str) -> str:
    """Unicode's compatibility caseless form (The Unicode Standard, 3.13, D146); folding it again changes
    nothing.
    """
    folded = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", folded).casefold())


def clean_name(name: str) -> str:
    """A person's name, trimmed and in NFC: 1 to 100 characters, none a control. Raises `InvalidField`."""
    cleaned = clean_line("name", name)
    if not cleaned:
        raise InvalidField("name", "is empty")
    if len(cleaned) > NAME_LENGTH_MAX:
        raise InvalidField("name", f"is longer than {NAME_LENGTH_MAX} characters")
    return cleaned


def clean_line(field: str, text: str) -> str:
    """One line of text, trimmed and in NFC. Raises `InvalidField` for controls and line breaks.

    A line break in a name is a second line in a mail's header, or on a parcel's label.
    """
    cleaned = unicodedata.normalize("NFC", text).strip()
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in cleaned):
        raise InvalidField(field, "holds control characters or line breaks")
    return cleaned


def clean_password(password: str, email: str) -> str:
    """The password as it is hashed: NFKC, so that one keyboard's spelling is another's. Raises
    `InvalidField`.

    8 to 128 characters and no rules of composition (NIST SP 800-63B); it may not be the account's own
    address.
    """
    cleaned = normal_password(password)
    if len(cleaned) < PASSWORD_LENGTH_MIN:
        raise InvalidField("password", f"is shorter than {PASSWORD_LENGTH_MIN} characters")
    if len(cleaned) > PASSWORD_LENGTH_MAX:
        raise InvalidField("password", f"is longer than {PASSWORD_LENGTH_MAX} characters")
    if caseless(cleaned) in {caseless(email), caseless(email.partition("@")[0])}:
        raise InvalidField(
            "password", "is the e-mail address itself: whoever knows the address would know it"
        )
    return cleaned


def normal_password(password: str) -> str:
    """A password in the one form that is hashed and compared (NIST SP 800-63B asks for NFKC or NFKD)."""
    return unicodedata.normalize("NFKC", password)

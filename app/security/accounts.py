"""The accounts of the shop: registration, sign-in, the profile, and the sessions of refresh tokens.

Written straight to the database by whoever serves the request: an account is no actor, its changes need no
mailbox. Every write is one document, guarded by its unique key or its `rev`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
import uuid_utils
from pymongo.errors import DuplicateKeyError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from app.security.keys import Keyring
from app.security.passwords import Passwords
from app.security.sessions import Sessions, SignedIn
from app.security.throttle import Allowance, SignInThrottle, network_of
from app.security.tokens import Tokens, same_secret
from documents.accounts import (
    EMAIL_LENGTH_MAX,
    EmailTaken,
    InvalidField,
    Role,
    User,
    caseless,
    clean_name,
    clean_password,
    display_email,
    email_key,
    normal_password,
)

log = structlog.get_logger(__name__)

OPERATOR_TOKEN_LENGTH_MIN = 32
CHANGE_ATTEMPTS_MAX = 20
CHANGE_WAIT_S = wait_random_exponential(
    multiplier=0.005, max=0.1
)  # of those who were slower, one wins each round

Change = Callable[[User], None]


class BadCredentials(Exception):
    """The password is wrong, or nobody has that address: the two are not told apart."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__("The e-mail address or the password is wrong")
        self.allowance = allowance


class AccountGone(Exception):
    """There is no such account, or no longer."""


class RevMoved(Exception):
    """The account is at another revision than the change was made for."""

    def __init__(self, user_id: str, rev: int) -> None:
        super().__init__(f"Account {user_id} is at revision {rev} by now: read it again")
        self.rev = rev


class _Slower(Exception):
    """Another change of the account was written first."""


@dataclass(frozen=True, slots=True, repr=False)
class ProfileChange:
    """What a profile may change; None leaves a field as it is. Never printed: it holds passwords."""

    name: str | None = None
    email: str | None = None
    password: str | None = None
    current_password: str | None = None


class Accounts:
    """One for each process, made once; the database must be initialised (Beanie) with `ACCOUNT_DOCUMENTS`.

    `operator_token` (at least 32 characters) is a bearer with the role staff and no account. Without a
    `throttle`, sign-ins are counted in memory; there is no way to turn that off. `close` ends the password
    threads.
    """

    def __init__(
        self,
        *,
        keyring: Keyring,
        operator_token: str | None = None,
        throttle: SignInThrottle | None = None,
        passwords: Passwords | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if operator_token is not None and len(operator_token) < OPERATOR_TOKEN_LENGTH_MIN:
            raise ValueError(f"the operator token needs at least {OPERATOR_TOKEN_LENGTH_MIN} characters")
        self._keyring = keyring
        self._operator_token = operator_token
        self._throttle = throttle or SignInThrottle()
        self._passwords = passwords or Passwords()
        self._clock = clock
        self.tokens = Tokens(keyring, lambda: clock().timestamp())
        self.sessions = Sessions(self.tokens, clock)

    def close(self) -> None:
        """Ends the threads of its own."""
        self._passwords.close()

    def is_operator(self, token: str) -> bool:
        """Whether this is the operator's token, compared in constant time."""
        return self._operator_token is not None and same_secret(token, self._operator_token)

    async def register(
        self, email: str, name: str, password: str, roles: tuple[str, ...] = (Role.SHOPPER,)
    ) -> User:
        """A new account. Raises `InvalidField`, `EmailTaken` or `Overloaded`; of two at once, one is made."""
        return await create_user(email, name, password, roles, passwords=self._passwords, now=self._clock())

    async def sign_in(self, email: str, password: str, host: str | None) -> SignedIn:
        """A new session. Raises `BadCredentials`, `Throttled` or `Overloaded`. `host` is the client's
        address.
        """
        user = await User.find_one(User.email_key == _key_or_none(email))
        user = await self._verified(user, self._account_tag(email), password, host)
        if user.password_hash is not None and self._passwords.is_outdated(user.password_hash):
            await self._rehash(user, password)
        return await self.sessions.start(user)

    async def user(self, user_id: str) -> User:
        """The account. Raises `AccountGone`."""
        user = await User.get(user_id)
        if user is None:
            raise AccountGone(user_id)
        return user

    async def change(self, user_id: str, change: Change, rev: int | None = None) -> User:
        """The account after the change, by compare-and-set on its revision.

        With `rev` only that revision is changed, else whichever it has now; `change` may run more than once
        and may raise. Raises `AccountGone`, `RevMoved` or `EmailTaken`.
        """
        again = AsyncRetrying(
            retry=retry_if_exception_type(_Slower),
            wait=CHANGE_WAIT_S,
            stop=stop_after_attempt(CHANGE_ATTEMPTS_MAX),
            reraise=True,
        )
        try:
            return await again(self._change, user_id, change, rev)
        except _Slower as error:
            raise RevMoved(user_id, (await self.user(user_id)).rev) from error

    async def _change(self, user_id: str, change: Change, rev: int | None) -> User:
        """One attempt. Raises `_Slower` where another change came first."""
        user = await self.user(user_id)
        loaded_rev = user.rev
        if rev is not None and rev != loaded_rev:
            raise RevMoved(user_id, loaded_rev)
        before = user.stored()
        change(user)
        if user.stored() != before and not await _write(user, loaded_rev):
            raise _Slower(user_id)
        return user

    async def change_profile(
        self,
        user_id: str,
        session: str | None,
        change: ProfileChange,
        host: str | None,
        rev: int | None = None,
    ) -> User:
        """The account with its new name, address or password; the latter two need the current password.

        A new password ends every other session. Raises what `change` raises, `InvalidField`, `Throttled`,
        `BadCredentials` (the current password is wrong) or `Overloaded`.
        """
        user = await self.user(user_id)
        name = None if change.name is None else clean_name(change.name)
        email = None if change.email is None else display_email(change.email)
        password = None if change.password is None else clean_password(change.password, email or user.email)
        known_hash = user.password_hash
        new_hash = None
        if email is not None or password is not None:
            if change.current_password is None:
                raise InvalidField(
                    "current_password", "is needed to change the e-mail address or the password"
                )
            await self._verified(user, self._account_tag(user.email), change.current_password, host)
            new_hash = None if password is None else await self._passwords.hash(password)

        def apply(user: User) -> None:
            if (email is not None or new_hash is not None) and user.password_hash != known_hash:
                raise RevMoved(user.id, user.rev)  # the password that was checked is no longer the account's
            user.name = user.name if name is None else name
            if email is not None:
                user.change_email(email)
            if new_hash is not None:
                user.change_password(new_hash)

        changed = await self.change(user_id, apply, rev)
        if new_hash is not None:
            await self.sessions.end_others(changed, session)
        return changed

    async def _verified(self, user: User | None, account: str, password: str, host: str | None) -> User:
        """The user whose password it is. Raises `BadCredentials`, `Throttled` or `Overloaded`."""
        address = network_of(host)
        allowance = await self._throttle.enter(account, address)
        right: bool | None = None
        try:
            right = await self._passwords.verify(
                user.password_hash if user else None, normal_password(password)
            )
        finally:
            if right is not False:
                await self._throttle.refund(account, address)
        if user is None or not right:
            log.info("sign_in.refused", account=account, address=address)
            raise BadCredentials(allowance)
        return user

    async def _rehash(self, user: User, password: str) -> None:
        new_hash = await self._passwords.hash(normal_password(password))
        await User.get_pymongo_collection().update_one(
            {"_id": user.id, "password_hash": user.password_hash},
            {"$set": {"password_hash": new_hash}, "$inc": {"rev": 1}},
        )

    def _account_tag(self, email: str) -> str:
        """What the throttle counts an account under, known or not: no address leaves for Redis or the log."""
        key = _key_or_none(email) or caseless(email[:EMAIL_LENGTH_MAX])
        return self._keyring.sign("sign-in-throttle", key.encode("utf-8", "surrogatepass")).hex()


async def create_user(
    email: str,
    name: str,
    password: str,
    roles: tuple[str, ...] = (Role.SHOPPER,),
    *,
    passwords: Passwords | None = None,
    now: datetime | None = None,
) -> User:
    """A new account, in the database that Beanie was initialised with.

    Raises `InvalidField` (a `ValueError`; unknown roles too) or `EmailTaken`, and `Overloaded` from
    `passwords`.
    """
    try:
        known = [Role(role) for role in roles]
    except ValueError as error:
        raise InvalidField("roles", f"may be {', '.join(Role)}: {error}") from error
    address = display_email(email)
    name, password = clean_name(name), clean_password(password, address)
    hasher = passwords or Passwords(threads=1)
    try:
        password_hash = await hasher.hash(password)
    finally:
        if passwords is None:
            hasher.close()
    user = User(
        id=uuid_utils.uuid7().hex,
        email=address,
        email_key=email_key(address),
        name=name,
        password_hash=password_hash,
        roles=known,
        created_at=now or datetime.now(UTC),
    )
    try:
        await user.insert()
    except DuplicateKeyError as error:
        raise EmailTaken from error
    log.info("account.created", user_id=user.id, roles=[role.value for role in known])
    return user


async def _write(user: User, loaded_rev: int) -> bool:
    user.rev = loaded_rev + 1
    try:
        written = await User.get_pymongo_collection().update_one(
            {"_id": user.id, "rev": loaded_rev}, {"$set": user.stored()}
        )
    except DuplicateKeyError as error:
        raise EmailTaken from error
    return written.matched_count == 1


def _key_or_none(email: str) -> str | None:
    try:
        return email_key(email)
    except InvalidField:
        return None

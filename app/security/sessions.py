"""Sessions: a family of refresh tokens for each sign-in, of which only the newest is good.

Every refresh rotates the token. An older one that comes back was copied (RFC 9700, 4.14.2): the whole family
ends, and with it whoever copied it. The one exception is the token just before the newest, for 10 seconds
after the rotation: a client whose answer was lost, or whose second tab asked at the same moment, gets the
same new token once more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.security.tokens import ACCESS_LIFETIME_S, BadToken, Tokens, family_of
from documents.accounts import FAMILIES_MAX, RefreshToken, User

log = structlog.get_logger(__name__)

ROTATION_GRACE = timedelta(seconds=10)


class SessionEnded(Exception):
    """The refresh token was genuine, and its session is over: signed out, expired, reused, or its account is
    gone.
    """


@dataclass(frozen=True, slots=True, repr=False)
class SignedIn:
    """A session's tokens; `expires_in` is the access token's, in seconds. Never printed: it holds secrets."""

    access_token: str
    refresh_token: str
    expires_in: int


class Sessions:
    """Starts, renews and ends sessions. `clock` is the time now, with its zone."""

    def __init__(self, tokens: Tokens, clock: Callable[[], datetime]) -> None:
        self._tokens = tokens
        self._clock = clock

    async def start(self, user: User) -> SignedIn:
        """A new family; beyond 50 of one account the oldest ends."""
        now = self._clock()
        handle = self._tokens.new_handle()
        family = RefreshToken(
            id=family_of(handle),
            user_id=user.id,
            epoch=user.epoch,
            created_at=now,
            rotated_at=now,
            expires_at=RefreshToken.expiry(now, now),
        )
        await family.insert()
        newest_first = RefreshToken.find(RefreshToken.user_id == user.id).sort("-created_at")
        surplus = await newest_first.skip(FAMILIES_MAX).to_list()
        if surplus:
            await RefreshToken.find({"_id": {"$in": [each.id for each in surplus]}}).delete()
        return self._signed_in(user, handle, family)

    async def refresh(self, token: str) -> SignedIn:
        """New tokens for a refresh token. Raises `BadToken` (made up, changed) or `SessionEnded`."""
        claims = self._tokens.read_refresh(token)
        now = self._clock()
        family = await RefreshToken.get(claims.family)
        if family is None or family.revoked is not None or family.expires_at <= now:
            raise SessionEnded("the session has ended")
        user = await User.get(family.user_id)
        if user is None or user.epoch != family.epoch:
            raise SessionEnded("the account's password was changed, or the account is gone")
        if claims.generation > family.generation:
            raise BadToken("the refresh token is newer than its session: was the database restored?")
        if claims.generation == family.generation and not await self._rotate(family, now):
            family = await self._current(claims.family)  # another request was first
        if claims.generation != family.generation - 1 or now > family.rotated_at + ROTATION_GRACE:
            await self._end([family.id], "reused")
            log.warning(
                "session.token_reused", user_id=user.id, session=family.id, generation=claims.generation
            )
            raise SessionEnded("the refresh token was used before: its session has been ended")
        return self._signed_in(user, claims.handle, family)

    async def end(self, user_id: str, session: str) -> None:
        """Signs one session out; an unknown one is no error."""
        await self._end([session], "signed_out", user_id)

    async def end_all(self, user_id: str) -> None:
        """Signs all sessions of an account out."""
        await RefreshToken.get_pymongo_collection().update_many(
            {"user_id": user_id, "revoked": None}, {"$set": {"revoked": "signed_out"}}
        )

    async def end_others(self, user: User, session: str | None) -> None:
        """After a change of the password: the session that made it goes on, all others are revoked.

        The account's new epoch has ended them already; this is where that becomes visible.
        """
        families = RefreshToken.get_pymongo_collection()
        await families.update_many(
            {"user_id": user.id, "_id": {"$ne": session}, "epoch": {"$lt": user.epoch}, "revoked": None},
            {"$set": {"revoked": "password_changed"}},
        )
        await families.update_one(
            {"_id": session, "user_id": user.id, "epoch": user.epoch - 1}, {"$set": {"epoch": user.epoch}}
        )

    async def _rotate(self, family: RefreshToken, now: datetime) -> bool:
        """Moves the family one generation on; False, and nothing done, where another request was first."""
        expires_at = RefreshToken.expiry(family.created_at, now)
        written = await RefreshToken.get_pymongo_collection().update_one(
            {"_id": family.id, "generation": family.generation, "revoked": None},
            {"$inc": {"generation": 1}, "$set": {"rotated_at": now, "expires_at": expires_at}},
        )
        if written.matched_count == 0:
            return False
        family.generation, family.rotated_at, family.expires_at = family.generation + 1, now, expires_at
        return True

    async def _current(self, family_id: str) -> RefreshToken:
        family = await RefreshToken.get(family_id)
        if family is None or family.revoked is not None:
            raise SessionEnded("the session has ended")
        return family

    async def _end(self, ids: list[str], why: str, user_id: str | None = None) -> None:
        of_user = {} if user_id is None else {"user_id": user_id}
        await RefreshToken.get_pymongo_collection().update_many(
            {"_id": {"$in": ids}, "revoked": None, **of_user}, {"$set": {"revoked": why}}
        )

    def _signed_in(self, user: User, handle: str, family: RefreshToken) -> SignedIn:
        roles = tuple(role.value for role in user.roles)
        return SignedIn(
            access_token=self._tokens.issue_access(user.id, roles, family.id),
            refresh_token=self._tokens.issue_refresh(handle, family.generation),
            expires_in=ACCESS_LIFETIME_S,
        )

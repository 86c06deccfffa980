"""What Redis pushes of drops, as they happen: its client-side caching, in broadcast mode, for the names of versions.

One connection tracks, and is told on itself (https://redis.io/docs/latest/develop/reference/client-side-caching/; a
redirection to the own connection makes RESP2's messages of it, which redis-py reads with public calls). Redis answers
in the order in which it writes, so the answer to a ping proves that every drop before that ping was heard: `sure_until`
is the time of the last ping that was answered, and a little more. A connection that broke, or a Redis that froze, ends
it; whoever keeps copies then asks Redis again, as without them.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

log = structlog.get_logger(__name__)

CHANNEL = b"__redis__:invalidate"
PING_EVERY_S = 0.25
SURE_S = 1.0  # how long after a ping its answer is worth something: so long a lost drop can stay unknown
SILENT_S_MAX = 5.0  # a connection that says nothing for so long is a broken one
AGAIN_AFTER_S = 1.0
REFUSED_AGAIN_AFTER_S = 60.0  # a server that cannot track will not learn it in a second
SETTLE_S = 5.0  # for a connection to stand and track: nobody waits for it

Told = Callable[[str | None], None]


class Following:
    """Hears of every change of a name that begins with one of `prefixes`, for as long as `run` does.

    `make` makes a connection of its own. `told` is called with each changed name, and with None where any may have
    changed. `sure_until`, in seconds of `clock`: no change before now is unheard of until then.
    """

    def __init__(
        self,
        make: Callable[[], AbstractConnection],
        prefixes: tuple[str, ...],
        told: Told,
        clock: Callable[[], float],
    ) -> None:
        self.sure_until = 0.0
        self._make = make
        self._prefixes = prefixes
        self._told = told
        self._clock = clock
        self._silent: str | None = None

    async def run(self) -> None:
        """Follows until cancelled, on one connection after the other."""
        while True:
            again_after_s = AGAIN_AFTER_S
            connection = self._make()
            try:
                await self._follow(connection)
            except (RedisError, OSError, TimeoutError) as error:
                if isinstance(error, ResponseError):
                    again_after_s = REFUSED_AGAIN_AFTER_S
                self._deaf(error)
            finally:
                self.sure_until = 0.0
                await connection.disconnect(nowait=True)
            await asyncio.sleep(again_after_s)

    async def _follow(self, connection: AbstractConnection) -> None:
        async with asyncio.timeout(SETTLE_S):
            await self._track(connection)
        self._told(None)  # nobody heard what was dropped before
        pinged: dict[bytes, float] = {}
        number, next_ping, heard_at = 0, 0.0, self._clock()
        while True:
            now = self._clock()
            if now - heard_at > SILENT_S_MAX:
                raise TimeoutError(f"Redis said nothing for {SILENT_S_MAX:g} s")
            if now >= next_ping:
                number, next_ping = number + 1, now + PING_EVERY_S
                pinged[b"%d" % number] = now
                await _say(connection, "PING", number)
            said: Any = await connection.read_response(timeout=max(0.0, next_ping - now))
            if said is None:  # nothing yet
                continue
            heard_at = self._clock()
            if said[0] == b"pong":
                self.sure_until = pinged.pop(said[1]) + SURE_S
                self._hears()
            elif said[1] == CHANNEL:
                self._changed(said[2])

    async def _track(self, connection: AbstractConnection) -> None:
        await connection.connect()  # type: ignore[no-untyped-call]
        await _say(connection, "CLIENT", "ID")
        own = await connection.read_response()
        prefixes = [word for prefix in self._prefixes for word in ("PREFIX", prefix)]
        await _say(connection, "CLIENT", "TRACKING", "ON", "REDIRECT", own, "BCAST", *prefixes)
        await connection.read_response()
        await _say(connection, "SUBSCRIBE", CHANNEL)
        await connection.read_response()

    def _changed(self, names: list[bytes] | None) -> None:
        """None: all of them, by FLUSHALL or FLUSHDB."""
        for name in [None] if names is None else names:
            self._told(None if name is None else name.decode())

    def _deaf(self, error: BaseException) -> None:
        if self._silent is None:
            log.warning("cache.not_followed", error=repr(error), effect="every read asks Redis")
        self._silent = repr(error)

    def _hears(self) -> None:
        if self._silent is not None:
            log.info("cache.followed")
        self._silent = None


async def _say(connection: AbstractConnection, *words: Any) -> None:
    """Sends a command on a connection that stands; redis-py would make a new one, which does not track."""
    if not connection.is_connected:
        raise ConnectionError("the connection that follows Redis is gone")
    await connection.send_command(*words, check_health=False)

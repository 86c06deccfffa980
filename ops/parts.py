"""The parts that a process is made of, from its settings. Each is made once, here, and handed to whoever needs it."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import structlog
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from pymongo.errors import PyMongoError
from redis.asyncio import Redis

from app.cache import Cache, MemoryCache, RedisCache
from app.security.accounts import Accounts
from app.security.counters import RedisCounters
from app.security.keys import Keyring
from app.security.throttle import RequestLimit, SignInThrottle
from broker import declare
from broker.connection import Endpoint, connect
from broker.ending import breaks_told
from ops.settings import SettingMissing, Settings, secret

log = structlog.get_logger(__name__)

OPERATOR_TOKEN_FILE = "operator.token"  # noqa: S105 - the file's name
AGAIN_AFTER_S = 1.0


def console(settings: Settings, rabbitmq: str | None, own: str | None = None) -> str | None:
    """Where RabbitMQ's management console shows the queues of this Quire's virtual host; None where there is none.

    `rabbitmq` is the broker's URL, `own` the console of a broker that this process started.
    """
    address = settings.console_url or own
    if rabbitmq is None or not address:
        return None
    vhost = unquote(urlsplit(rabbitmq.split(",")[0]).path[1:]) or "/"
    return f"{address.rstrip('/')}/#/queues/{quote(vhost, safe='')}"


def keyring(settings: Settings, *, embedded: bool) -> Keyring:
    """The signing keys: from the settings, or, in the embedded mode only, made once and kept in the data folder."""
    given = secret(settings.signing_keys)
    if given is not None:
        return Keyring.from_secrets(given)
    if not embedded:
        raise SettingMissing(
            "QUIRE_SIGNING_KEYS is not set: every edge needs the same keys (32 characters or more)"
        )
    return Keyring.from_folder(settings.data)


def operator_token(settings: Settings, *, embedded: bool) -> str | None:
    """The command line's bearer token: from the settings, or kept in the data folder of the embedded mode."""
    given = secret(settings.operator_token)
    if given is not None or not embedded:
        return given
    path = settings.data / OPERATOR_TOKEN_FILE
    if path.exists():
        return path.read_text().strip()
    token = secrets.token_urlsafe(32)
    _write_private(path, token)
    return token


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(f"{text}\n")


def cache(settings: Settings) -> Cache:
    """Redis where one is named, else memory."""
    url = secret(settings.redis_url)
    return RedisCache(url) if url is not None else MemoryCache()


def accounts(settings: Settings, keys: Keyring, *, embedded: bool) -> Accounts:
    """Registration and sign-in; wrong passwords are counted in Redis where one is named, else by each edge."""
    url = secret(settings.redis_url)
    throttle = SignInThrottle.with_redis(Redis.from_url(url) if url is not None else None)
    return Accounts(
        keyring=keys, operator_token=operator_token(settings, embedded=embedded), throttle=throttle
    )


def request_limit(settings: Settings) -> RequestLimit | None:
    """How often one client may ask, counted like wrong passwords; None where no limit is set."""
    if not settings.requests_per_minute:
        return None
    url = secret(settings.redis_url)
    return RequestLimit(
        settings.requests_per_minute, RedisCounters(Redis.from_url(url)) if url is not None else None
    )


async def until_there(
    what: str, start: Callable[[], Awaitable[None]], also: tuple[type[Exception], ...] = ()
) -> None:
    """Tries again until it works: parts of a system start in any order. `also` are errors that somebody may mend."""
    passing: tuple[type[Exception], ...] = (*CONNECTION_EXCEPTIONS, PyMongoError, *also)
    told = ""
    while True:
        try:
            with breaks_told():
                await start()
        except passing as error:
            if repr(error) != told:
                told = repr(error)
                log.warning("waiting", what=what, error=told)
            await asyncio.sleep(AGAIN_AFTER_S)
        else:
            return


async def apply_topology(endpoint: Endpoint) -> None:
    """Puts exchanges, queues and bindings on the broker. Raises `declare.TopologyDiffers`."""
    connection = await connect(endpoint, name="quire topology")
    try:
        await declare.apply(connection)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def background(work: Awaitable[None]) -> AsyncIterator[asyncio.Future[None]]:
    """Runs work beside the block and ends it with the block."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

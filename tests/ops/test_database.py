"""The client of a process: how it goes."""

import asyncio
import secrets
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from ops.database import open_database
from ops.servers import Mongod
from tests.faults.proxy import proxy_to

PATIENCE_S = 15  # less than a socket is waited for


async def test_a_silent_database_gets_no_goodbye(mongod: Mongod) -> None:
    """A process that is to stop does not wait for a server that is frozen, or that nothing reaches any more."""
    name = f"test_{secrets.token_hex(6)}"
    async with proxy_to(urlsplit(mongod.url).port or 27017) as proxy:
        url = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(open_database(url, name))
            await database["books"].find_one({})
            proxy.silence()
            async with asyncio.timeout(PATIENCE_S):
                await stack.aclose()

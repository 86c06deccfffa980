"""Where the broker is, and looking at it for a while."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from pymongo.asynchronous.database import AsyncDatabase

from ops.check.queues import Broker, JournalQueues, rabbit

JOURNAL = "broker_messages"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A RabbitMQ and, where it is known, its management API; `url` None: the embedded broker, by its journal."""

    url: str | None = None
    management_url: str | None = None


EMBEDDED = BrokerAddress()


@asynccontextmanager
async def looking_at(
    database: AsyncDatabase[dict[str, Any]], address: BrokerAddress | None, remarks: list[str]
) -> AsyncIterator[Broker | None]:
    """The broker, if there is one to look at; what cannot be seen of it is added to `remarks`."""
    if address is None or (address.url is None and JOURNAL not in await database.list_collection_names()):
        remarks.append("no broker is known (QUIRE_RABBITMQ_URL): queues and dead letters were not looked at")
        yield None
    elif address.url is None:
        yield JournalQueues(database)
    else:
        try:
            found = await rabbit(address.url, address.management_url)
        except CONNECTION_EXCEPTIONS as error:
            remarks.append(f"the broker did not answer ({error}): queues and dead letters were not looked at")
            yield None
            return
        try:
            if found.remark is not None:
                remarks.append(found.remark)
            yield found
        finally:
            await found.close()

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
    """The broker, if there is one to look at; what cannot be seen of it is added to `remarks`, before and afterwards.

    An embedded broker that has kept nothing yet has no journal: it is empty.
    """
    if address is None:
        remarks.append("no broker was named: queues and dead letters were not looked at")
        yield None
    elif address.url is None:
        if JOURNAL not in await database.list_collection_names():
            remarks.append(
                "the embedded broker has no journal yet, so it was taken as empty; a RabbitMQ is named by"
                " QUIRE_RABBITMQ_URL"
            )
        yield JournalQueues(database)
    else:
        try:
            found = await rabbit(address.url, address.management_url)
        except CONNECTION_EXCEPTIONS as error:
            remarks.append(f"the broker did not answer ({error}): queues and dead letters were not looked at")
            yield None
            return
        try:
            yield found
            if found.remark is not None:
                remarks.append(found.remark)
        finally:
            await found.close()

"""Many titles into the catalogue: one command each, every one confirmed by the broker."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from broker.messages import Envelope, PutBook, Sender, pack
from broker.publish import BrokerUnavailable, OutcomeUnknown, Publisher
from broker.topology import route

log = structlog.get_logger(__name__)

IN_FLIGHT_MAX = 256  # confirms waited for at a time: the broker groups them, one by one is 20 times slower
PATIENCE_S = 30.0  # a full queue or a broker that restarts: a command sent again has the same id


def message_id(import_id: str, line: int) -> str:
    """The id of a row's command: the same run sends the same ids, another run other ones."""
    return blake2b(f"{import_id}:{line}".encode(), digest_size=16, person=b"quire-import").hexdigest()


class NotAllSent(Exception):
    """The broker stopped taking commands. Those that it took are carried out; the same run may be sent again."""

    def __init__(self, confirmed: int, cause: BrokerUnavailable | OutcomeUnknown) -> None:
        super().__init__(f"the broker took {confirmed} rows and then no more: {cause}")
        self.confirmed = confirmed


async def send_all(
    rows: Iterable[tuple[int, PutBook]], import_id: str, sender: Sender, publisher: Publisher
) -> int:
    """Publishes a command for each (line, command) and returns how many, once the broker has confirmed them all.

    Raises `NotAllSent`, and what else `Publisher.publish` raises, after the sends under way have ended.
    """
    if not publisher.ready:
        raise NotAllSent(0, BrokerUnavailable("no connection to the broker"))
    source = iter(rows)
    confirmed = 0

    async def sends() -> None:
        nonlocal confirmed
        for line, command in source:
            await _send(_envelope(line, command, import_id, sender), command, publisher)
            confirmed += 1

    senders = [asyncio.create_task(sends()) for _ in range(IN_FLIGHT_MAX)]
    try:
        await asyncio.gather(*senders)
    except (BrokerUnavailable, OutcomeUnknown) as error:
        log.warning("import.stopped", import_id=import_id, confirmed=confirmed, error=str(error))
        raise NotAllSent(confirmed, error) from error
    finally:
        for task in senders:
            task.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
    return confirmed


async def _send(envelope: Envelope, command: PutBook, publisher: Publisher) -> None:
    exchange, routing_key = route(command)
    try:
        await publisher.publish(envelope, exchange, routing_key)
    except (BrokerUnavailable, OutcomeUnknown) as error:
        log.info("import.again", message_id=envelope.id, error=str(error))
    else:
        return
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type((BrokerUnavailable, OutcomeUnknown)),
        wait=wait_random_exponential(multiplier=0.1, max=2),
        stop=stop_after_delay(PATIENCE_S),
        reraise=True,
    ):
        with attempt:
            await publisher.publish(envelope, exchange, routing_key)


def _envelope(line: int, command: PutBook, import_id: str, sender: Sender) -> Envelope:
    return Envelope(
        id=message_id(import_id, line),
        type=type(command).__name__,
        version=command.version,
        key=command.key,
        sender=sender,
        accepted_at=datetime.now(UTC),
        correlation_id=import_id,
        data=pack(command),
    )


def numbered(commands: Iterable[PutBook]) -> Iterator[tuple[int, PutBook]]:
    """Commands that come from no file, with their place (from 1) as the line."""
    return enumerate(commands, start=1)

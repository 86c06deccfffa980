"""R4: how one would write it first: a FastStream handler that gets a Beanie document, changes it and saves it."""

import asyncio
import time

import msgspec
from beanie import Document, init_beanie
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from pydantic import BaseModel
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from ops.bench.figures import Figure, WentWrong
from ops.bench.references.queue import published, quorum_queue
from ops.bench.scenarios.base import Bench, Load, Scenario

DATABASE = "bench_naive"
MESSAGES_A_SECOND = 400  # that wait for each second of measuring
CARTS = 64
TITLES = 10
DONE_WITHIN_S = 300.0


class NaiveLine(BaseModel):
    """Copies of one title."""

    isbn: str
    quantity: int


class NaiveCart(Document):
    """A cart without a rev."""

    id: str  # type: ignore[assignment]
    lines: list[NaiveLine] = []

    class Settings:
        """A collection of its own."""

        name = "carts"


class NaiveAdd(BaseModel):
    """The message."""

    cart_id: str
    isbn: str
    quantity: int


async def _naive(bench: Bench, load: Load) -> list[Figure]:  # noqa: ARG001 - it brings its own
    """One message at a time: without a prefetch of 1 saves of one cart overwrite each other (81 of 1,200 were lost)."""
    client = bench.on.database.client
    await client.drop_database(DATABASE)
    database = client.get_database(
        DATABASE,
        write_concern=WriteConcern("majority", j=True),
        read_concern=ReadConcern("majority"),
    )
    await init_beanie(database=database, document_models=[NaiveCart])
    await NaiveCart.insert_many([NaiveCart(id=str(number)) for number in range(CARTS)])
    warm = max(1, round(MESSAGES_A_SECOND * bench.warm_up_s))
    measured = round(MESSAGES_A_SECOND * bench.seconds)
    many = warm + measured
    seconds = await _consumed(bench, warm, many)
    lines = [line.quantity for cart in await NaiveCart.find_all().to_list() for line in cart.lines]
    if sum(lines) != many:
        raise WentWrong(f"R4 kept {sum(lines)} of {many} additions")
    await client.drop_database(DATABASE)
    return [Figure(name="R4", load="", what=R4.what, value=measured / seconds, values=[measured / seconds])]


async def _consumed(bench: Bench, warm: int, many: int) -> float:
    """Seconds from the save of the `warm`-th message to that of the last, of so many that waited."""
    done, saved, begun = asyncio.Event(), 0, time.perf_counter()
    broker = RabbitBroker(bench.on.rabbitmq.url, logger=None)
    async with quorum_queue(bench.on) as (connection, name):
        bodies = [
            msgspec.json.encode({"cart_id": str(n % CARTS), "isbn": bench.isbns[n % TITLES], "quantity": 1})
            for n in range(many)
        ]
        await published(connection, name, bodies)

        @broker.subscriber(RabbitQueue(name, declare=False), channel=Channel(prefetch_count=1))
        async def add(message: NaiveAdd) -> None:
            nonlocal saved, begun
            cart = await NaiveCart.get(message.cart_id)
            assert cart is not None
            line = next((line for line in cart.lines if line.isbn == message.isbn), None)
            if line is None:
                cart.lines.append(NaiveLine(isbn=message.isbn, quantity=message.quantity))
            else:
                line.quantity += message.quantity
            await cart.save()
            saved += 1
            if saved == warm:
                begun = time.perf_counter()
            elif saved == many:
                done.set()

        await broker.start()
        try:
            async with asyncio.timeout(DONE_WITHIN_S):
                await done.wait()
            return time.perf_counter() - begun
        finally:
            await broker.stop()


R4 = Scenario("R4", "the naive way: FastStream, a Beanie get and save a message", _naive, loads=("once",))

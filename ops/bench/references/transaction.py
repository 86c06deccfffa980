"""R3: the least that a transaction of a full batch costs: 100 guarded updates and 100 inserts."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pymongo import InsertOne, UpdateOne
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from ops.bench.figures import Figure, WentWrong, curve_ms, percentiles_ms
from ops.bench.scenarios.base import Bench, Load, Scenario

ROWS = 100
DATABASE = "bench_transactions"


async def _transactions(bench: Bench, load: Load) -> list[Figure]:  # noqa: ARG001 - it brings its own
    client = bench.on.database.client
    await client.drop_database(DATABASE)
    database = client.get_database(DATABASE)
    await database.counts.insert_many(
        [{"_id": number, "rev": 1, "available": 1 << 30} for number in range(ROWS)]
    )
    await database.create_collection("rows")
    latencies_s: list[float] = []
    begun = time.perf_counter()
    async with client.start_session() as session:
        while (start := time.perf_counter()) - begun < bench.seconds:
            async with await session.start_transaction(
                read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority", j=True)
            ):
                done = await database.counts.bulk_write(_updates(), ordered=False, session=session)
                await database.rows.bulk_write(_inserts(), ordered=False, session=session)
            if done.modified_count != ROWS:
                raise WentWrong(f"a guarded update of R3 matched {done.modified_count} of {ROWS}")
            latencies_s.append(time.perf_counter() - start)
    rate = len(latencies_s) / (time.perf_counter() - begun)
    await client.drop_database(DATABASE)
    return [
        Figure(
            name="R3",
            load="",
            what=R3.what,
            value=rate,
            values=[rate],
            latency_ms=percentiles_ms(latencies_s),
            curve_ms=curve_ms(latencies_s),
            also={"rows a second": rate * 2 * ROWS},
        )
    ]


def _updates() -> list[UpdateOne]:
    return [
        UpdateOne({"_id": number, "available": {"$gte": 1}}, {"$inc": {"available": -1, "rev": 1}})
        for number in range(ROWS)
    ]


def _inserts() -> list[InsertOne[dict[str, Any]]]:
    now = datetime.now(UTC)
    return [
        InsertOne(
            {"_id": uuid4().hex, "group": "carts", "status": "succeeded", "key": uuid4().hex, "at": now}
        )
        for _ in range(ROWS)
    ]


R3 = Scenario(
    "R3", "a bare PyMongo transaction: 100 guarded updates, 100 inserts", _transactions, loads=("once",)
)

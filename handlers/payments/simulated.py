"""A gateway that plays an outside system: its books are in a database of their own and join none of our
transactions.

    tok_ok        charges
    tok_declined  declines (card_declined)
    tok_flaky     fails twice (counted in the books), then charges
    tok_slow      charges after a few seconds
    tok_lost      charges, but the answer never arrives
    other tokens  decline (unknown_token)

One document a key, moved by guarded updates of that one document: one charge a key, one capture a charge.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, PyMongoError

from broker.together import Together
from documents.actors import utc_now
from handlers.payments.gateway import (
    Charge,
    ChargeStatus,
    GatewayDeclined,
    GatewayMisused,
    GatewayUnreachable,
)

Row = dict[str, Any]

DUPLICATE_KEY = 11000
FLAKY_FAILURES = 2
CHARGING_TOKENS = frozenset({"tok_ok", "tok_flaky", "tok_slow", "tok_lost"})


class SimulatedGateway:
    """A `Gateway` with a durable ledger in `<database>_gateway`, next to the shop's database.

    `slow_s`: how long tok_slow takes; `lost_s`: how long a caller of tok_lost hangs, if it has no limit of
    its own.
    """

    def __init__(self, database: AsyncDatabase[Row], *, slow_s: float = 3.0, lost_s: float = 3600.0) -> None:
        books = database.client[f"{database.name}_gateway"]
        self._charges = books["charges"]
        self._failures = books["failures"]
        self._insert = Together(self._insert_all)
        self._slow_s = slow_s
        self._lost_s = lost_s

    async def authorise(self, key: str, amount: int, currency: str, token: str) -> Charge:
        """See `Gateway`."""
        if token == "tok_flaky":  # noqa: S105 - a test token, no secret
            await self._fail_at_first(key)
        if token == "tok_slow":  # noqa: S105
            await asyncio.sleep(self._slow_s)
        declined = None if token in CHARGING_TOKENS else "unknown_token"
        if token == "tok_declined":  # noqa: S105
            declined = "card_declined"
        row = await self._open(key, amount, currency, token, declined)
        if token == "tok_lost":  # noqa: S105
            await asyncio.sleep(self._lost_s)
            raise GatewayUnreachable(f"the answer to authorise {key} was lost")
        charge = _charge(row)
        if charge.status is ChargeStatus.DECLINED:
            raise GatewayDeclined(key, charge.reason or "declined")
        if charge.status is not ChargeStatus.VOIDED and (charge.amount, charge.currency) != (
            amount,
            currency,
        ):
            raise GatewayMisused(
                f"key {key} stands for {charge.amount} {charge.currency}, not for {amount} {currency}"
                " (minor units)"
            )
        return charge

    async def capture(self, key: str) -> Charge:
        """See `Gateway`."""
        return await self._move(key, ChargeStatus.AUTHORIZED, ChargeStatus.CAPTURED)

    async def refund(self, key: str) -> Charge:
        """See `Gateway`."""
        return await self._move(key, ChargeStatus.CAPTURED, ChargeStatus.REFUNDED)

    async def void(self, key: str) -> Charge:
        """See `Gateway`. A key that was never heard of is entered as voided, so that a late charge finds it closed."""
        async with _reachable("void", key):
            unused = _row(key, ChargeStatus.VOIDED, 0, "", None, None)
            row = await self._enter(unused)
        if row["status"] == ChargeStatus.DECLINED.value:
            return _charge(row)
        return await self._move(key, ChargeStatus.AUTHORIZED, ChargeStatus.VOIDED)

    async def find(self, key: str) -> Charge | None:
        """See `Gateway`."""
        async with _reachable("find", key):
            row = await self._charges.find_one({"_id": key})
        return _charge(row) if row else None

    async def ledger(self) -> AsyncIterator[Row]:
        """Every charge with its entries `[{entry, amount, at}]`, oldest key first: what a checker compares with."""
        async for row in self._charges.find({}).sort("_id"):
            yield row

    async def _open(self, key: str, amount: int, currency: str, token: str, declined: str | None) -> Row:
        status = ChargeStatus.DECLINED if declined else ChargeStatus.AUTHORIZED
        async with _reachable("authorise", key):
            return await self._enter(_row(key, status, amount, currency, token, declined))

    async def _enter(self, row: Row) -> Row:
        """The row of that key: this one, or whichever was there first."""
        if row["_id"] not in await self._insert([bson.encode(row)]):
            return row
        first = await self._charges.find_one({"_id": row["_id"]})
        if first is None:
            raise GatewayUnreachable(f"the books lost key {row['_id']}")
        return first

    async def _insert_all(self, rows: list[bytes]) -> frozenset[str]:
        """Enters rows (BSON) in one go; returns the keys that were there before, or came twice among them."""
        try:
            await self._charges.insert_many([RawBSONDocument(row) for row in rows], ordered=False)
        except BulkWriteError as error:
            failures: list[Row] = (error.details or {}).get("writeErrors", [])
            if not failures or any(each.get("code") != DUPLICATE_KEY for each in failures):
                raise
            return frozenset(each["keyValue"]["_id"] for each in failures)
        return frozenset()

    async def _move(self, key: str, held: ChargeStatus, target: ChargeStatus) -> Charge:
        """Moves a charge once; the guard on its status makes a repeat find it moved."""
        async with _reachable(target.value, key):
            row = await self._charges.find_one_and_update(
                {"_id": key, "status": held.value},
                [
                    {
                        "$set": {
                            "status": target.value,
                            "entries": {
                                "$concatArrays": [
                                    "$entries",
                                    [{"entry": target.value, "amount": "$amount", "at": utc_now()}],
                                ]
                            },
                        }
                    }
                ],
                return_document=ReturnDocument.AFTER,
            )
            if row is None:
                row = await self._charges.find_one({"_id": key})
        if row is None:
            raise GatewayDeclined(key, "unknown_charge")
        charge = _charge(row)
        if charge.status is not target:
            raise GatewayDeclined(key, f"already_{charge.status.value}")
        return charge

    async def _fail_at_first(self, key: str) -> None:
        async with _reachable("authorise", key):
            row = await self._failures.find_one_and_update(
                {"_id": key}, {"$inc": {"calls": 1}}, upsert=True, return_document=ReturnDocument.AFTER
            )
        assert row is not None  # it was upserted
        if row["calls"] <= FLAKY_FAILURES:
            raise GatewayUnreachable(f"the gateway answered 503 to authorise {key}")


def _row(
    key: str, status: ChargeStatus, amount: int, currency: str, token: str | None, reason: str | None
) -> Row:
    held = amount if status is ChargeStatus.AUTHORIZED else 0
    return {
        "_id": key,
        "status": status.value,
        "amount": amount,
        "currency": currency,
        "token": token,
        "reference": f"ch_{secrets.token_hex(12)}",
        "reason": reason,
        "entries": [{"entry": status.value, "amount": held, "at": utc_now()}],
    }


def _charge(row: Row) -> Charge:
    return Charge(
        key=row["_id"],
        status=ChargeStatus(row["status"]),
        amount=row["amount"],
        currency=row["currency"],
        reference=row["reference"],
        reason=row["reason"],
    )


@asynccontextmanager
async def _reachable(what: str, key: str) -> AsyncIterator[None]:
    """Its database away is, to us, a gateway that does not answer."""
    try:
        yield
    except PyMongoError as error:
        raise GatewayUnreachable(f"the gateway did not answer {what} {key}: {error}") from error

"""Bugs to plant in a part, so that the checker is checked: each is a mistake that somebody has made in such a system.

`plant` is called in a process that `tests.faults.part` started, and changes that process alone.
"""

import inspect
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from pymongo import ReadPreference, ReplaceOne
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

import app.commands
import app.intake
import broker.actors.store
import broker.units
import ops.database
from app.intake import Intake
from broker.actors.loop import CommitLoop
from broker.actors.mailboxes import Mailboxes
from broker.delivery import ATTEMPTS_HEADER
from broker.lane import Lane
from broker.publish import BrokerUnavailable, OutcomeUnknown, Publisher
from documents.actors import Write
from documents.carts import Cart, CartLine
from documents.operations import Receipt
from documents.outbox import OutboxRow
from documents.stock import Change, Reason, Stock
from handlers.payments import SimulatedGateway

Row = dict[str, Any]
STORES = (broker.actors.store, broker.units)


def replace(name: str, function: Any, *modules: Any) -> None:
    """Puts another function in the place of one that must be there and be called in the same way."""
    for module in modules:
        assert hasattr(module, name), f"{module} has no {name}: the bug is planted nowhere"
        if callable(function):
            _called_alike(getattr(module, name), function)
        setattr(module, name, function)


def _called_alike(old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Raises `TypeError` where what the old function must be given, the new one cannot take."""
    needed = [
        each
        for each in inspect.signature(old).parameters.values()
        if each.default is each.empty and each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}
    ]
    by_name = {each.name: None for each in needed if each.kind is each.KEYWORD_ONLY}
    inspect.signature(new).bind(*[None] * (len(needed) - len(by_name)), **by_name)


def no_receipt() -> None:
    """Nobody notes what was processed."""

    replace("insert_receipts", _noted_nowhere, *STORES)


def no_ordered_receipt() -> None:
    """Nobody notes what carts, orders and the catalogue took in."""
    replace("insert_receipts", _noted_nowhere, broker.actors.store)


def no_unordered_receipt() -> None:
    """Nobody notes what payments, parcels and mails were told."""
    replace("insert_receipts", _noted_nowhere, broker.units)


async def _noted_nowhere(_receipts: list[Row], _session: Any) -> None:
    return


def receipt_outside_the_transaction() -> None:
    """The receipt is written before the effect, and stays when that one is lost."""

    async def insert_receipts(receipts: list[Row], _session: Any) -> None:
        if receipts:
            writes = [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in receipts]
            await Receipt.get_pymongo_collection().bulk_write(writes)

    replace("insert_receipts", insert_receipts, *STORES)


def ack_before_commit() -> None:
    """A message is acked as soon as it is there."""
    original: Callable[..., Awaitable[Any]] = CommitLoop._commit

    async def commit(self: CommitLoop, batch: Any, session: Any, *, look_up: bool) -> Any:
        await self._acks.done(batch)
        await self._acks.send()
        return await original(self, batch, session, look_up=look_up)

    replace("_commit", commit, CommitLoop)


def one_copy_is_enough() -> None:
    """w=1: a commit is taken for durable before a second member has it."""
    loose = {
        "read_concern": ReadConcern("local"),
        "write_concern": WriteConcern(1, j=False),
        "read_preference": ReadPreference.PRIMARY,
    }
    for module in STORES:
        module.TRANSACTION.clear()
        module.TRANSACTION.update(loose)


def unguarded_stock() -> None:
    """Stock is promised without a look at what is left."""
    replace("can_reserve", lambda _stock, _copies: True, Stock)
    original = Stock.write

    def write(self: Stock) -> Write:
        guard, change = original(self)
        if guard is None:
            return Write(None, change)
        return Write({name: value for name, value in guard.items() if name != "available"}, change)

    replace("write", write, Stock)
    no_stock_validator()


def no_stock_validator() -> None:
    """Nor does the database look."""
    replace("STOCK_VALIDATOR", {}, ops.database)


def stock_released_twice() -> None:
    """A cancelled order gives back more than it took."""
    original = Stock.release

    def release(self: Stock, copies: int, cause: str, order_id: str) -> None:
        original(self, copies, cause, order_id)
        if self.reserved >= copies:
            self._move(Change(Reason.RELEASED, 0, -copies, cause, order_id))

    replace("release", release, Stock)


def no_gateway_key() -> None:
    """Each attempt at a payment is another one for the gateway."""
    original: Callable[..., Awaitable[Any]] = SimulatedGateway.authorise

    async def authorise(self: SimulatedGateway, key: str, *args: Any) -> Any:
        return await original(self, f"{key}-{secrets.token_hex(4)}", *args)

    replace("authorise", authorise, SimulatedGateway)


LATE_ROWS: ContextVar[list[Row]] = ContextVar("LATE_ROWS")


def outbox_outside_the_transaction() -> None:
    """What follows is written down after the commit, in a step of its own."""
    _rows_after_the_commit(lambda _row: True, "after-commit-before-rows")


def letter_outside_the_transaction() -> None:
    """A message is given up, and acked, before its dead letter is anywhere."""
    _rows_after_the_commit(lambda row: row["routing_key"].endswith(".dead"), "letter-before-rows")


def _rows_after_the_commit(late: Callable[[Row], bool], point: str) -> None:
    insert_rows: Callable[..., Awaitable[None]] = broker.actors.store.insert_rows

    async def insert_some(rows: list[Row], session: Any) -> None:
        LATE_ROWS.get().extend(row for row in rows if late(row))
        await insert_rows([row for row in rows if not late(row)], session)

    replace("insert_rows", insert_some, *STORES)
    for owner, name in ((CommitLoop, "_commit"), (broker.units.GroupCommit, "_transaction")):
        replace(name, _then(getattr(owner, name), point), owner)


def _then(original: Callable[..., Awaitable[Any]], point: str) -> Callable[..., Awaitable[Any]]:
    from tests.faults.part import points_here

    async def commit(*args: Any, **kwargs: Any) -> Any:
        waiting: list[Row] = []
        LATE_ROWS.set(waiting)  # of this loop: the other may be anywhere in a commit of its own
        result = await original(*args, **kwargs)
        if waiting:
            points_here().passed(point)
            await OutboxRow.get_pymongo_collection().insert_many(waiting)
        return result

    return commit


def reordered_mailbox() -> None:
    """What waits in a mailbox is taken from its end."""
    original: Callable[..., Awaitable[Any]] = Mailboxes.take

    async def take(self: Mailboxes, most: int) -> Any:
        self._ready = deque(reversed(self._ready))
        return await original(self, most)

    replace("take", take, Mailboxes)


def merge_loses_lines() -> None:
    """A cart that is merged away hands over all of its lines but one."""
    original = Cart.close

    def close(self: Cart, into: str) -> dict[str, CartLine]:
        lines = original(self, into)
        return dict(list(lines.items())[1:])

    replace("close", close, Cart)


def no_confirm() -> None:
    """The edge says that it has what it has only sent."""
    original: Callable[[Lane], bytes] = Lane._numbered

    def numbered(self: Lane) -> bytes:
        leaving = [outcome for outcome, _, _ in self._waiting]
        payload = original(self)
        for outcome in leaving:
            if not outcome.done():
                outcome.set_result(None)
        return payload

    replace("_numbered", numbered, Lane)


def refusal_swallowed() -> None:
    """The edge answers 202, whatever the broker said."""
    original: Callable[..., Awaitable[None]] = Publisher.publish

    async def publish(self: Publisher, *args: Any, **kwargs: Any) -> None:
        try:
            await original(self, *args, **kwargs)
        except (BrokerUnavailable, OutcomeUnknown):
            return

    replace("publish", publish, Publisher)


def key_ignored() -> None:
    """A command that is sent again is another command."""
    original: Callable[..., Intake] = app.intake.identify

    def identify(*args: Any, **kwargs: Any) -> Intake:
        taken = original(*args, **kwargs)
        return Intake(secrets.token_hex(16), taken.fingerprint, keyed=False)

    replace("identify", identify, app.intake, app.commands)


def attempts_forgotten() -> None:
    """What is tried again later begins to count anew."""
    original: Callable[..., Awaitable[None]] = Publisher.publish_body

    async def publish_body(self: Publisher, *args: Any, headers: Row | None = None, **kwargs: Any) -> None:
        kept = {name: value for name, value in (headers or {}).items() if name != ATTEMPTS_HEADER}
        await original(self, *args, headers=kept, **kwargs)

    replace("publish_body", publish_body, Publisher)


IN_WORKERS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        no_receipt,
        no_ordered_receipt,
        no_unordered_receipt,
        receipt_outside_the_transaction,
        ack_before_commit,
        one_copy_is_enough,
        unguarded_stock,
        stock_released_twice,
        no_gateway_key,
        outbox_outside_the_transaction,
        letter_outside_the_transaction,
        reordered_mailbox,
        merge_loses_lines,
        attempts_forgotten,
    )
}
IN_EDGES: dict[str, Callable[[], None]] = {
    "unguarded_stock": no_stock_validator,  # every process sets the collection's validator
    **{bug.__name__: bug for bug in (no_confirm, refusal_swallowed, key_ignored)},
}


def plant(name: str, kind: str) -> None:
    """Puts a bug into this process, where it is one of its kind's."""
    assert name in IN_WORKERS or name in IN_EDGES, f"nobody knows the bug {name}"
    bug = (IN_EDGES if kind == "edge" else IN_WORKERS).get(name)
    if bug is not None:
        bug()

"""Applying a batch: pure, on documents that were loaded for it, in the order of the mailboxes.

What comes out is everything that one transaction has to write. Nothing in here waits or reads a clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import bson

from broker.delivery import Delivery
from broker.groups import Desk, Effects, Offer, OrderedGroup, Transient
from broker.messages import BookChanged, UnknownMessage
from broker.outbox import Row, follow_up, row_of
from broker.outcomes import (
    ReceiptRow,
    blank_receipt,
    fail,
    follow_rows,
    key_of,
    refuse_expired,
    reject,
    succeed,
    supersede,
)
from broker.superseding import moved_on, supersedes
from broker.telemetry import HANDLED
from documents.actors import Actor
from documents.refusals import Refusal, UnknownActor
from documents.stock import Stock
from documents.terms import Terms

ActorKey = tuple[str, str]  # kind and id


@dataclass(slots=True)
class Loaded:
    """The documents of a batch, as its transaction sees them, and the receipts of messages that were there before.

    `unreadable` are documents that this release cannot read: their messages fail, nobody else's.
    """

    actors: dict[ActorKey, Actor] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    stock: dict[str, Stock] = field(default_factory=dict)
    known: dict[str, ReceiptRow] = field(default_factory=dict)
    unreadable: dict[ActorKey, Exception] = field(default_factory=dict)


@dataclass(slots=True)
class Decided:
    """What a batch comes to: the writes of one transaction, and an answer for every delivery."""

    answers: list[tuple[Delivery, ReceiptRow]] = field(default_factory=list)
    receipts: dict[str, ReceiptRow] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)  # documents by resource, for those who wait


class HandlerFailed(Exception):
    """A handler raised: its documents may be half changed, so the batch is to be redone with it set aside."""

    def __init__(self, delivery: Delivery, error: Exception) -> None:
        super().__init__(f"{delivery.envelope.type} {delivery.envelope.id}: {error!r}")
        self.delivery = delivery
        self.error = error


class RetryLater(Exception):
    """A handler asked to be tried again: its mailbox is to wait, and the batch to be redone without it."""

    def __init__(self, delivery: Delivery, error: Exception) -> None:
        super().__init__(f"{delivery.envelope.type} {delivery.envelope.id}: {error}")
        self.delivery = delivery
        self.error = error


def apply(
    batch: Sequence[Delivery],
    loaded: Loaded,
    groups: Mapping[str, OrderedGroup],
    terms: Terms,
    now: datetime,
) -> Decided:
    """Applies deliveries in order. Raises `HandlerFailed` or `RetryLater` for the first that cannot be applied."""
    decided = Decided()
    try:
        for delivery in batch:
            HANDLED.set(delivery)
            key = key_of(delivery)
            answer = decided.receipts.get(key) or loaded.known.get(key)
            if answer is None or (key not in decided.receipts and supersedes(delivery, answer)):
                answer, rows = _decide(delivery, loaded, decided, groups, terms, now)
                decided.receipts[key] = answer
                decided.rows.extend(rows)
            decided.answers.append((delivery, answer))
    finally:
        HANDLED.set(None)
    decided.rows.extend(_availability(loaded, decided))
    return decided


def _decide(
    delivery: Delivery,
    loaded: Loaded,
    decided: Decided,
    groups: Mapping[str, OrderedGroup],
    terms: Terms,
    now: datetime,
) -> tuple[ReceiptRow, list[Row]]:
    """A message that has no receipt yet, or may supersede it: its effect, the receipt that says so, what follows."""
    receipt = blank_receipt(delivery, now)
    failed = loaded.known.get(key_of(delivery))
    kind = groups[delivery.group.name].actor.kind
    rev = _rev(kind, delivery, loaded)
    if delivery.replay is not None and failed is not None:
        supersede(receipt, failed, delivery.replay)
    refuse_expired(delivery, now)
    moved = moved_on(kind, delivery, receipt, rev, decided.receipts, loaded.known)
    if moved is not None and delivery.failure is None:
        if not delivery.envelope.sender.is_system:
            reject(receipt, moved)
            receipt["rev"] = rev
            return receipt, []
        # Nobody would read a refusal of what the system itself sent, and what it carries must not vanish.
        delivery.fail("superseded", moved)
    if delivery.failure is not None or delivery.message is None:
        receipt["rev"] = receipt["failed_rev"] if delivery.reason == "superseded" else rev
        return receipt, [fail(receipt, delivery, now)]
    try:
        effects, actor = _handle(delivery, loaded, groups[delivery.group.name], terms, now)
        rows = follow_rows(delivery, effects, actor)
    except Refusal as refusal:
        if delivery.is_event:
            raise RetryLater(delivery, refusal) from refusal
        reject(receipt, refusal)
        if delivery.replay is not None:
            receipt["rev"] = rev
        return receipt, []
    except Transient as error:
        raise RetryLater(delivery, error) from error
    except Exception as error:
        raise HandlerFailed(delivery, error) from error
    succeed(receipt, effects, actor.rev)
    for made in effects.created:
        loaded.actors[made.kind, made.id] = made
    return receipt, rows


def _rev(kind: str, delivery: Delivery, loaded: Loaded) -> int | None:
    """The revision at which a message finds its actor; 0 where there is none, None where that cannot be told."""
    key = (kind, delivery.envelope.key)
    if not delivery.envelope.key or key in loaded.unreadable:
        return None
    actor = loaded.actors.get(key)
    return actor.rev if actor is not None else 0


def _handle(
    delivery: Delivery, loaded: Loaded, group: OrderedGroup, terms: Terms, now: datetime
) -> tuple[Effects, Actor]:
    message = delivery.message
    assert message is not None
    handler = group.handlers.get(type(message))
    if handler is None:
        raise UnknownMessage(f"{group.name} has no handler for {delivery.envelope.type}")
    key = (group.actor.kind, delivery.envelope.key)
    if key in loaded.unreadable:
        raise loaded.unreadable[key]
    actor = loaded.actors.get(key)
    if actor is None:
        actor = group.fresh(delivery.envelope.key)
        if actor is None:
            raise UnknownActor(group.actor.kind, delivery.envelope.key)
        loaded.actors[key] = actor
    desk = Desk(delivery.envelope, now, terms, loaded.offers, loaded.stock)
    return handler(actor, message, desk), actor


def _availability(loaded: Loaded, decided: Decided) -> Iterable[Row]:
    """A title whose stock crossed zero is told of: caches hold its `available` flag, never its stock.

    Not where the batch also adds the title: nobody can have cached it, and an import brings ten thousand.
    """
    causes = {delivery.envelope.id: delivery.envelope for delivery, _ in decided.answers}
    for stock in loaded.stock.values():
        book = loaded.actors.get(("book", stock.id))
        added = book is not None and book.loaded_rev == 0
        if stock.crossed_zero and not added:
            event = BookChanged(isbn=stock.id)
            yield row_of(follow_up(causes[stock.last_cause], event, stock.rev), event)


def states_for_waiting(decided: Decided, loaded: Loaded) -> dict[str, bytes]:
    """The documents (BSON) of the resources that somebody waits to see, by name: "carts/…" is the cart of that id."""
    states = {}
    for delivery, receipt in decided.answers:
        resource = receipt["resource"]
        if delivery.raw.reply_to and resource and resource not in states:
            kinds, _, key = resource.partition("/")
            actor = loaded.actors.get((kinds.removesuffix("s"), key))
            if actor is not None:
                states[resource] = bson.encode(actor.stored())
    return states

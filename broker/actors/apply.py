"""Applying a batch: pure, on documents that were loaded for it, in the order of the mailboxes.

What comes out is everything that one transaction has to write. Nothing in here waits or reads a clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from broker.dead import dead_letter, failure_problem
from broker.delivery import Delivery
from broker.groups import Desk, Effects, Follow, Offer, OrderedGroup, Transient
from broker.messages import BookChanged, UnknownMessage
from broker.outbox import Row, follow_up, row_of
from documents.actors import Actor
from documents.operations import Outcome, receipt_id
from documents.refusals import Refusal, UnknownActor
from documents.stock import Stock
from documents.terms import Terms

ReceiptRow = dict[str, Any]


@dataclass(slots=True)
class Loaded:
    """The documents of a batch, as its transaction sees them, and the receipts of messages that were there before."""

    actors: dict[tuple[str, str], Actor] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    stock: dict[str, Stock] = field(default_factory=dict)
    known: dict[str, ReceiptRow] = field(default_factory=dict)


@dataclass(slots=True)
class Decided:
    """What a batch comes to: the writes of one transaction, and an answer for every delivery."""

    answers: list[tuple[Delivery, ReceiptRow]] = field(default_factory=list)
    receipts: dict[str, ReceiptRow] = field(default_factory=dict)
    finished: list[ReceiptRow] = field(default_factory=list)  # receipts that end another message's operation
    created: list[Actor] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


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
    for delivery in batch:
        key = receipt_id(delivery.group.name, delivery.envelope.id)
        earlier = loaded.known.get(key) or decided.receipts.get(key)
        if earlier is None:
            earlier = _decide(delivery, key, loaded, groups, terms, now, decided)
        decided.answers.append((delivery, earlier))
    decided.rows.extend(_availability(loaded.stock.values(), decided))
    return decided


def _decide(
    delivery: Delivery,
    key: str,
    loaded: Loaded,
    groups: Mapping[str, OrderedGroup],
    terms: Terms,
    now: datetime,
    decided: Decided,
) -> ReceiptRow:
    """One message that has no receipt yet: its effect, and the receipt that says so."""
    receipt = blank_receipt(delivery, key, now)
    decided.receipts[key] = receipt
    if delivery.failure is not None or delivery.message is None:
        receipt["status"] = Outcome.FAILED.value
        receipt["problem"] = failure_problem(delivery)
        decided.rows.append(dead_letter(delivery, now))
        return _finish(delivery, receipt, decided)
    try:
        effects, actor = _handle(delivery, loaded, groups[delivery.group.name], terms, now)
    except Refusal as refusal:
        if delivery.is_event:
            raise RetryLater(delivery, refusal) from refusal
        receipt["status"] = Outcome.REJECTED.value
        receipt["problem"] = {"code": refusal.code, "detail": refusal.message, **refusal.details}
        return _finish(delivery, receipt, decided)
    except Transient as error:
        raise RetryLater(delivery, error) from error
    except Exception as error:
        raise HandlerFailed(delivery, error) from error
    receipt["status"] = (Outcome.PENDING if effects.pending else Outcome.SUCCEEDED).value
    receipt["resource"] = effects.resource
    receipt["result"] = effects.result
    receipt["rev"] = actor.rev
    for made in effects.created:
        loaded.actors[delivery.group.name, made.id] = made
        decided.created.append(made)
    decided.rows.extend(_rows(delivery, effects, actor))
    return _finish(delivery, receipt, decided)


def _handle(
    delivery: Delivery, loaded: Loaded, group: OrderedGroup, terms: Terms, now: datetime
) -> tuple[Effects, Actor]:
    message = delivery.message
    assert message is not None
    actor = loaded.actors.get(delivery.actor)
    if actor is None:
        actor = group.fresh(delivery.envelope.key)
        if actor is None:
            raise UnknownActor(group.actor.kind, delivery.envelope.key)
        loaded.actors[delivery.actor] = actor
    desk = Desk(delivery.envelope, now, terms, loaded.offers, loaded.stock)
    handler = group.handlers.get(type(message))
    if handler is None:
        raise UnknownMessage(f"{group.name} has no handler for {delivery.envelope.type}")
    return handler(actor, message, desk), actor


def _rows(delivery: Delivery, effects: Effects, actor: Actor) -> Iterable[Row]:
    """The messages that follow, each told the revision of the actor that it is about."""
    subjects = {made.id: made for made in (*effects.created, *effects.saved, actor)}
    for number, each in enumerate(effects.messages):
        follow = each if isinstance(each, Follow) else Follow(each)
        operation = reply_to = None
        if follow.finishes_operation:
            operation = delivery.envelope.operation or receipt_id(delivery.group.name, delivery.envelope.id)
            reply_to = delivery.raw.reply_to
        envelope = follow_up(
            delivery.envelope, follow.message, number, operation=operation, actor=subjects.get(follow.message.key)
        )
        yield row_of(envelope, follow.message, reply_to=reply_to)


def _finish(delivery: Delivery, receipt: ReceiptRow, decided: Decided) -> ReceiptRow:
    if delivery.envelope.operation is not None:
        decided.finished.append(receipt)
    return receipt


def _availability(stock: Iterable[Stock], decided: Decided) -> Iterable[Row]:
    """A title whose stock crossed zero is told of: caches hold its `available` flag, never its stock."""
    causes = {delivery.envelope.id: delivery.envelope for delivery, _ in decided.answers}
    for each in stock:
        if each.crossed_zero and not each.fresh:
            event = BookChanged(isbn=each.id)
            yield row_of(follow_up(causes[each.last_cause], event, each.rev), event)


def blank_receipt(delivery: Delivery, key: str, now: datetime) -> ReceiptRow:
    """A receipt without its outcome, as MongoDB keeps it."""
    envelope = delivery.envelope
    return {
        "_id": key,
        "group": delivery.group.name,
        "message_id": envelope.id,
        "type": envelope.type,
        "key": envelope.key,
        "status": Outcome.PENDING.value,
        "sender": envelope.sender.id,
        "fingerprint": envelope.fingerprint,
        "resource": None,
        "result": None,
        "rev": None,
        "problem": None,
        "operation": envelope.operation,
        "correlation_id": envelope.correlation_id,
        "causation_id": envelope.causation_id,
        "attempts": delivery.attempts + 1,
        "accepted_at": envelope.accepted_at,
        "at": now,
    }

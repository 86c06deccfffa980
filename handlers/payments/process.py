"""The money of an order, as one process: the happy path first, then what undoes it.

    OrderPlaced      authorise -> PaymentAuthorized | PaymentDeclined
    OrderShipped     capture   -> PaymentCaptured
    OrderCancelled   void      -> PaymentVoided
    RefundRequested  refund    -> PaymentRefunded
    ExpireOrder      ask       -> PaymentAuthorized | PaymentDeclined | PaymentExpired

Messages come repeatedly, late, in any order and to two workers at once. Three rules make that right:

1. An intent is saved (compare-and-set) before the gateway is called, so nothing is charged that no document
   tells of, and whoever finds the document moved when it commits begins again.
2. Every call has the order's id as its key.
3. What must not be charged any more is closed at the gateway (`void`), after its document says so: an
   authorisation that was on its way, in a worker that froze or died, finds the key closed.
"""

from broker.groups import Effects, Transient, UnorderedGroup, WorkDesk
from broker.messages import (
    ExpireOrder,
    OrderCancelled,
    OrderPlaced,
    OrderShipped,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentExpired,
    PaymentRefunded,
    PaymentVoided,
    RefundRequested,
)
from broker.messages.payments import PaymentEvent
from documents.payments import Payment, PaymentStatus
from documents.refusals import NotPermitted
from handlers.payments.bounded import BoundedGateway
from handlers.payments.breaker import BreakingGateway, CircuitBreaker
from handlers.payments.gateway import Charge, Gateway, GatewayDeclined

S = PaymentStatus


class OutOfStep(Exception):
    """An order and its payment contradict each other: not to be mended by a retry, so it is dead-lettered for
    a person.
    """

    def __init__(self, payment: Payment, event: str) -> None:
        super().__init__(
            f"{event} of order {payment.id}, whose payment is {payment.status}: nothing was done; compare both"
            " with the gateway's books"
        )


class Payments:
    """The handlers, given a gateway whose every call is bounded in time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def authorise(self, event: OrderPlaced, desk: WorkDesk) -> Effects:
        """Holds the order's total; does nothing for an order that ended before it was seen here."""
        payment = await desk.load(Payment, event.order_id)
        charge: Charge | None = None
        if payment is None:
            payment = Payment.begin(
                event.order_id,
                S.AUTHORISING,
                desk.now,
                amount=event.total,
                currency=event.currency,
                token=event.payment_token,
            )
            await desk.save(payment)
        elif payment.status is S.AUTHORISING:
            charge = await self._gateway.find(
                payment.id
            )  # an earlier attempt's outcome is asked for, not guessed
        else:
            return _nothing(payment)
        if charge is None:
            try:
                charge = await self._gateway.authorise(
                    payment.id, event.total, event.currency, event.payment_token
                )
            except GatewayDeclined as declined:
                return _declined(payment, declined.reason, desk)
        return _authorised(payment, charge, desk)

    async def capture(self, event: OrderShipped, desk: WorkDesk) -> Effects:
        """The parcel left: takes what is held. A decline here is dead-lettered: goods left and nobody paid."""
        payment = await desk.load(Payment, event.order_id)
        if payment is None or payment.status is S.AUTHORISING:
            raise Transient(f"order {event.order_id} was shipped, its authorisation is not recorded yet")
        if payment.status in (S.CAPTURED, S.REFUNDING, S.REFUNDED):
            return _nothing(payment)
        if payment.status is S.AUTHORIZED:
            payment.move(S.CAPTURING, desk.now)
            await desk.save(payment)
        if payment.status is not S.CAPTURING:
            raise OutOfStep(payment, "OrderShipped")
        await self._gateway.capture(payment.id)
        payment.move(S.CAPTURED, desk.now)
        amount, currency = _money(payment)
        return _tell(payment, PaymentCaptured(order_id=payment.id, amount=amount, currency=currency))

    async def cancel(self, event: OrderCancelled, desk: WorkDesk) -> Effects:
        """Leaves no net charge: voids what is held, and refunds in the case that it was taken already."""
        payment = await desk.load(Payment, event.order_id)
        if payment is None:  # no intent was ever saved, so no call was ever made; this keeps it so
            payment = Payment.begin(
                event.order_id,
                S.VOIDED,
                desk.now,
                amount=event.total,
                currency=event.currency,
                reason=event.reason,
            )
            return _tell(payment)
        if payment.status in (S.DECLINED, S.VOIDED, S.REFUNDED):
            return _nothing(payment)
        if payment.status is S.CAPTURING:
            raise Transient(
                f"order {payment.id} is cancelled while its payment is captured: the capture goes first"
            )
        if payment.status in (S.CAPTURED, S.REFUNDING):
            return await self._refund(payment, desk)
        if payment.status is S.EXPIRED:
            await self._gateway.void(payment.id)  # whoever expired it may have died before closing the key
            return _nothing(payment)
        if payment.status is not S.VOIDING:
            payment.move(S.VOIDING, desk.now, event.reason)
            await desk.save(payment)
        await self._gateway.void(payment.id)
        payment.move(S.VOIDED, desk.now)
        return _tell(payment, PaymentVoided(order_id=payment.id))

    async def refund(self, event: RefundRequested, desk: WorkDesk) -> Effects:
        """Gives back what was taken; a capture that is still on its way goes first."""
        payment = await desk.load(Payment, event.order_id)
        if payment is None or payment.status in (S.AUTHORISING, S.AUTHORIZED, S.CAPTURING):
            raise Transient(
                f"a refund of order {event.order_id} is asked for, its capture is not recorded yet"
            )
        if payment.status is S.REFUNDED:
            return _nothing(payment)
        return await self._refund(payment, desk)

    async def expire(self, command: ExpireOrder, desk: WorkDesk) -> Effects:
        """Due and unpaid: what the gateway's books say is told; where they know of nothing, the key is closed."""
        if not (desk.envelope.sender.is_system or desk.envelope.sender.is_staff):
            raise NotPermitted(desk.envelope.sender.id, Payment.kind, command.order_id)
        payment = await desk.load(Payment, command.order_id)
        if payment is None or payment.status is S.AUTHORISING:
            charge = await self._gateway.find(command.order_id)
            if charge is not None:
                return _found(command.order_id, payment, charge, desk)
            if payment is None:
                payment = Payment.begin(command.order_id, S.EXPIRED, desk.now)
            else:
                payment.move(S.EXPIRED, desk.now, "not paid in time")
            await desk.save(payment)
        if payment.status is S.EXPIRED:
            await self._gateway.void(payment.id)
            return _tell(payment, PaymentExpired(order_id=payment.id))
        return _again(payment)

    async def _refund(self, payment: Payment, desk: WorkDesk) -> Effects:
        if payment.status is S.CAPTURED:
            payment.move(S.REFUNDING, desk.now)
            await desk.save(payment)
        if payment.status is not S.REFUNDING:
            raise OutOfStep(payment, desk.envelope.type)
        await self._gateway.refund(payment.id)
        payment.move(S.REFUNDED, desk.now)
        amount, currency = _money(payment)
        return _tell(payment, PaymentRefunded(order_id=payment.id, amount=amount, currency=currency))


def _authorised(payment: Payment, charge: Charge, desk: WorkDesk) -> Effects:
    """What a charge means for a payment that was to be authorised.

    A charge that was closed meanwhile is a no: where a cancellation of ours closed it, that one moved the
    document first, so this change loses the compare-and-set and the handler begins again.
    """
    if not charge.holds:
        return _declined(payment, charge.reason or charge.status.value, desk)
    payment.reference = charge.reference
    payment.move(S.AUTHORIZED, desk.now)
    return _tell(payment, _authorized_event(payment))


def _found(order_id: str, payment: Payment | None, charge: Charge, desk: WorkDesk) -> Effects:
    """A due order of which the gateway's books do know."""
    if payment is None:
        payment = Payment.begin(
            order_id, S.AUTHORISING, desk.now, amount=charge.amount, currency=charge.currency
        )
    return _authorised(payment, charge, desk)


def _again(payment: Payment) -> Effects:
    """A due order whose payment is settled: its outcome is told again, in case it is what got lost."""
    if payment.status is S.AUTHORIZED:
        return _tell(payment, _authorized_event(payment))
    if payment.status is S.DECLINED:
        return _tell(payment, PaymentDeclined(order_id=payment.id, reason=payment.reason or "declined"))
    return _nothing(payment)


def _declined(payment: Payment, reason: str, desk: WorkDesk) -> Effects:
    payment.move(S.DECLINED, desk.now, reason)
    return _tell(payment, PaymentDeclined(order_id=payment.id, reason=reason))


def _authorized_event(payment: Payment) -> PaymentAuthorized:
    amount, currency = _money(payment)
    return PaymentAuthorized(order_id=payment.id, amount=amount, currency=currency)


def _money(payment: Payment) -> tuple[int, str]:
    if payment.amount is None or payment.currency is None:
        raise ValueError(f"the payment of order {payment.id} is {payment.status} without an amount")
    return payment.amount, payment.currency


def _tell(payment: Payment, *events: PaymentEvent) -> Effects:
    saved = (payment,) if payment.changed else ()
    return Effects(resource=f"orders/{payment.id}", messages=events, saved=saved)


def _nothing(payment: Payment) -> Effects:
    return Effects(
        resource=f"orders/{payment.id}", result={"payment": payment.status.value, "changed": False}
    )


def payments(gateway: Gateway, *, circuit: CircuitBreaker | None = None) -> UnorderedGroup:
    """The group, on any gateway: its calls are bounded in time and retried for short failures here, and one that keeps
    failing is left alone for a while.
    """
    circuit = circuit or CircuitBreaker()
    handlers = Payments(BreakingGateway(BoundedGateway(gateway), circuit))
    return UnorderedGroup(
        name="payments",
        handlers={
            OrderPlaced: handlers.authorise,
            OrderShipped: handlers.capture,
            OrderCancelled: handlers.cancel,
            RefundRequested: handlers.refund,
            ExpireOrder: handlers.expire,
        },
        outside=lambda: circuit.trouble,
    )

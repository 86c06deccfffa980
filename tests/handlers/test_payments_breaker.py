"""The circuit breaker: a gateway that keeps failing is left alone, and asked again one call at a time."""

import asyncio

import pytest

from handlers.payments import (
    BreakingGateway,
    Charge,
    ChargeStatus,
    CircuitBreaker,
    CircuitOpen,
    Gateway,
    GatewayDeclined,
    GatewayUnreachable,
    payments,
)

CHARGE = Charge("o1", ChargeStatus.AUTHORIZED, 100, "EUR", "ch_1")


class Moody:
    """A gateway that answers as it is told, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.answering = asyncio.Event()
        self.answering.set()

    async def find(self, key: str) -> Charge | None:
        """Answers, or fails."""
        self.asked += 1
        await self.answering.wait()
        if self.error is not None:
            raise self.error
        return CHARGE if key == CHARGE.key else None

    async def authorise(self, key: str, amount: int, currency: str, token: str) -> Charge:
        """As `find`."""
        return await self.find(key) or CHARGE

    async def capture(self, key: str) -> Charge:
        """As `find`."""
        return await self.find(key) or CHARGE

    async def void(self, key: str) -> Charge:
        """As `find`."""
        return await self.find(key) or CHARGE

    async def refund(self, key: str) -> Charge:
        """As `find`."""
        return await self.find(key) or CHARGE


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def moody() -> Moody:
    """A gateway."""
    return Moody()


@pytest.fixture
def circuit(clock: Clock) -> CircuitBreaker:
    """A circuit that opens after three failures, for 5 s."""
    return CircuitBreaker(failures_max=3, open_s=5.0, clock=clock)


@pytest.fixture
def gateway(moody: Moody, circuit: CircuitBreaker) -> Gateway:
    """The gateway behind the circuit."""
    return BreakingGateway(moody, circuit)


async def fail(gateway: Gateway, moody: Moody, times: int) -> None:
    """Lets calls fail."""
    moody.error = GatewayUnreachable("no answer")
    for _ in range(times):
        with pytest.raises(GatewayUnreachable, match="no answer"):
            await gateway.find("o1")


async def test_failures_in_a_row_open_it_and_nobody_is_asked(
    gateway: Gateway, moody: Moody, circuit: CircuitBreaker
) -> None:
    """From the third on each call is refused at once, whatever it wants; it is a reason to try later, and said so."""
    await fail(gateway, moody, 3)
    assert circuit.trouble == "failed 3 times in a row: asked again every 5 s"
    for call in (
        gateway.find("o1"),
        gateway.authorise("o1", 100, "EUR", "tok_ok"),
        gateway.capture("o1"),
        gateway.void("o1"),
        gateway.refund("o1"),
    ):
        with pytest.raises(CircuitOpen):
            await call
    assert moody.asked == 3
    assert issubclass(CircuitOpen, GatewayUnreachable)


async def test_an_answer_starts_the_count_anew(
    gateway: Gateway, moody: Moody, circuit: CircuitBreaker
) -> None:
    """Failures that are not in a row, and declines, leave it closed."""
    await fail(gateway, moody, 2)
    moody.error = GatewayDeclined("o1", "card_declined")
    with pytest.raises(GatewayDeclined):
        await gateway.find("o1")
    await fail(gateway, moody, 2)
    moody.error = None
    assert await gateway.find("o1") == CHARGE
    await fail(gateway, moody, 2)
    assert circuit.trouble is None


async def test_one_call_finds_out_and_closes_it(
    gateway: Gateway, moody: Moody, circuit: CircuitBreaker, clock: Clock
) -> None:
    """After its time a single call goes through while others are refused; its answer closes the circuit."""
    await fail(gateway, moody, 3)
    clock.now = 5.0
    moody.error = None
    moody.answering.clear()
    trial = asyncio.create_task(gateway.find("o1"))
    await asyncio.sleep(0)
    with pytest.raises(CircuitOpen):
        await gateway.find("o1")
    moody.answering.set()
    assert await trial == CHARGE
    assert circuit.trouble is None
    assert await gateway.find("o1") == CHARGE
    assert moody.asked == 5


async def test_a_trial_that_fails_opens_it_again(gateway: Gateway, moody: Moody, clock: Clock) -> None:
    """And the next trial comes after another while."""
    await fail(gateway, moody, 3)
    clock.now = 5.0
    await fail(gateway, moody, 1)
    clock.now = 9.0
    with pytest.raises(CircuitOpen):
        await gateway.find("o1")
    clock.now = 10.0
    moody.error = None
    assert await gateway.find("o1") == CHARGE


async def test_a_trial_that_is_cancelled_leaves_room_for_another(
    gateway: Gateway, moody: Moody, clock: Clock
) -> None:
    """A worker that stops in the middle of it does not keep the circuit open for ever."""
    await fail(gateway, moody, 3)
    clock.now = 5.0
    moody.error = None
    moody.answering.clear()
    trial = asyncio.create_task(gateway.find("o1"))
    await asyncio.sleep(0)
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    moody.answering.set()
    assert await gateway.find("o1") == CHARGE


async def test_the_group_says_what_is_wrong_outside(moody: Moody, circuit: CircuitBreaker) -> None:
    """For readiness and metrics: nothing while it is well."""
    group = payments(moody, circuit=circuit)
    assert group.outside is not None
    assert group.outside() is None
    await fail(BreakingGateway(moody, circuit), moody, 3)
    assert group.outside() == "failed 3 times in a row: asked again every 5 s"

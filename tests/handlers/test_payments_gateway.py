"""The simulated gateway's books, and the limits round any gateway."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from handlers.payments import (
    BoundedGateway,
    Charge,
    ChargeStatus,
    GatewayDeclined,
    GatewayMisused,
    GatewayUnreachable,
    SimulatedGateway,
)
from tests.handlers.desks import Pause
from tests.handlers.gateways import Books, OnItsWay

Database = AsyncDatabase[dict[str, Any]]
CARD = "tok_ok"


@pytest.fixture
async def gateway(mongo_database: Database) -> AsyncIterator[SimulatedGateway]:
    """A gateway whose books are dropped afterwards."""
    yield SimulatedGateway(mongo_database, slow_s=0.05)
    await mongo_database.client.drop_database(f"{mongo_database.name}_gateway")


async def entries(gateway: SimulatedGateway) -> list[str]:
    """Every entry of the books."""
    return [each["entry"] async for row in gateway.ledger() for each in row["entries"]]


async def test_many_at_once_under_one_key_charge_once(gateway: SimulatedGateway) -> None:
    """Twenty calls at the same time get the same charge."""
    charges = await asyncio.gather(*(gateway.authorise("o1", 100, "EUR", CARD) for _ in range(20)))
    assert len({charge.reference for charge in charges}) == 1
    assert await entries(gateway) == ["authorized"]


async def test_many_captures_at_once_take_the_money_once(gateway: SimulatedGateway) -> None:
    """Twenty captures leave one entry."""
    await gateway.authorise("o1", 100, "EUR", CARD)
    await asyncio.gather(*(gateway.capture("o1") for _ in range(20)))
    assert await entries(gateway) == ["authorized", "captured"]


async def test_a_capture_and_a_void_at_once_exclude_each_other(gateway: SimulatedGateway) -> None:
    """Whichever is first wins, the other is declined, and the books hold one of them."""
    for number in range(10):
        key = f"o{number}"
        await gateway.authorise(key, 100, "EUR", CARD)
        outcomes = await asyncio.gather(gateway.capture(key), gateway.void(key), return_exceptions=True)
        assert sum(isinstance(each, GatewayDeclined) for each in outcomes) == 1
    assert len(await entries(gateway)) == 20


async def test_a_closed_key_holds_no_money(gateway: SimulatedGateway) -> None:
    """A void before the charge closes the key: the charge comes back voided, and a capture is declined."""
    await gateway.void("o1")
    charge = await gateway.authorise("o1", 100, "EUR", CARD)
    assert charge.status is ChargeStatus.VOIDED
    with pytest.raises(GatewayDeclined, match="already_voided"):
        await gateway.capture("o1")


async def test_nothing_is_captured_or_refunded_from_nowhere(gateway: SimulatedGateway) -> None:
    """Without a charge there is nothing to take, without a capture nothing to give back."""
    with pytest.raises(GatewayDeclined, match="unknown_charge"):
        await gateway.capture("o1")
    await gateway.authorise("o1", 100, "EUR", CARD)
    with pytest.raises(GatewayDeclined, match="already_authorized"):
        await gateway.refund("o1")


async def test_another_amount_under_the_same_key_is_a_bug(gateway: SimulatedGateway) -> None:
    """A key stands for one amount."""
    await gateway.authorise("o1", 100, "EUR", CARD)
    with pytest.raises(GatewayMisused, match="o1"):
        await gateway.authorise("o1", 101, "EUR", CARD)


async def test_flaky_failures_are_counted_in_the_books(
    mongo_database: Database, gateway: SimulatedGateway
) -> None:
    """Two failures, also across processes, then it works."""
    for _ in range(2):
        with pytest.raises(GatewayUnreachable):
            await SimulatedGateway(mongo_database).authorise("o1", 100, "EUR", "tok_flaky")
    assert (await gateway.authorise("o1", 100, "EUR", "tok_flaky")).holds


async def test_its_books_are_a_database_of_their_own(
    mongo_database: Database, gateway: SimulatedGateway
) -> None:
    """The shop's database holds none of it."""
    await gateway.authorise("o1", 100, "EUR", CARD)
    assert await mongo_database.list_collection_names() == []


@dataclass
class Stubborn(Books):
    """Fails `failures` times at once, or hangs where `hangs`, before or after its effect."""

    way: type[OnItsWay] | type[Pause] = Pause
    failures: int = 0
    hangs: bool = False
    charges_first: bool = True
    calls: list[str] = field(default_factory=list)

    async def authorise(self, key: str, amount: int, currency: str, token: str) -> Charge:
        """As the books, with its faults."""
        self.calls.append("authorise")
        if self.hangs:
            if self.charges_first:
                await super().authorise(key, amount, currency, token)
            await asyncio.Event().wait()
        if len(self.calls) <= self.failures:
            raise GatewayUnreachable("503")
        return await super().authorise(key, amount, currency, token)

    async def capture(self, key: str) -> Charge:
        """Takes the money, and its answer is lost."""
        await super().capture(key)
        raise GatewayUnreachable("connection reset")

    async def find(self, key: str) -> Charge | None:
        """As the books."""
        self.calls.append("find")
        await asyncio.sleep(0)
        return self._charge(key) if key in self.entries else None


async def test_short_failures_are_tried_again_at_once() -> None:
    """Two 503 and an answer are one call to its caller."""
    books = Stubborn(failures=2)
    charge = await BoundedGateway(books).authorise("o1", 100, "EUR", CARD)
    assert charge.holds
    assert books.calls == ["authorise"] * 3


async def test_a_lost_answer_is_asked_for() -> None:
    """After the limit the books are asked, and the charge is found."""
    books = Stubborn(hangs=True)
    charge = await BoundedGateway(books, timeout_s=0.05).authorise("o1", 100, "EUR", CARD)
    assert charge.holds
    assert books.calls == ["authorise", "find"]


async def test_an_outcome_that_nobody_knows_is_not_guessed() -> None:
    """Neither an answer nor a trace in the books: unknown, to be tried again."""
    books = Stubborn(hangs=True, charges_first=False)
    with pytest.raises(GatewayUnreachable, match="o1"):
        await BoundedGateway(books, timeout_s=0.05).authorise("o1", 100, "EUR", CARD)
    assert books.calls == ["authorise", "find"]


async def test_a_capture_whose_answers_are_lost_is_found_in_the_books() -> None:
    """500 after capturing: the books say captured, and that is the answer."""
    books = Stubborn()
    await books.authorise("o1", 100, "EUR", CARD)
    charge = await BoundedGateway(books).capture("o1")
    assert charge.status is ChargeStatus.CAPTURED

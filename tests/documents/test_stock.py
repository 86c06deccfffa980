"""Stock: what is promised never exceeds what is there, and the ledger sums to the count."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from documents.actors import utc_now
from documents.refusals import StockReserved
from documents.stock import Stock

copies = st.integers(1, 12)


def matches(stored: dict[str, Any], guard: dict[str, Any]) -> bool:
    """Whether MongoDB would find the document: equality and `$gte` are all that the guard uses."""
    return all(
        stored[name] >= wanted["$gte"] if isinstance(wanted, dict) else stored[name] == wanted
        for name, wanted in guard.items()
    )


class StockMachine(RuleBasedStateMachine):
    """Counts, reservations, releases and sales in any order; written at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, Any] | None = None
        self.stock = Stock(id="b")
        self.ledger: list[dict[str, Any]] = []
        self.promised = 0

    @rule(on_hand=st.integers(0, 20))
    def count(self, on_hand: int) -> None:
        """Staff count; fewer than are promised is refused and changes nothing."""
        if on_hand < self.promised:
            before = self.stock.model_dump()
            with pytest.raises(StockReserved):
                self.stock.count(on_hand, "m")
            assert self.stock.model_dump() == before
        else:
            self.stock.count(on_hand, "m")
            assert self.stock.on_hand == on_hand

    @rule(copies=copies)
    def reserve(self, copies: int) -> None:
        """An order takes copies where there are enough."""
        if self.stock.can_reserve(copies):
            self.stock.reserve(copies, "m", "o")
            self.promised += copies
        else:
            with pytest.raises(ValueError, match="available"):
                self.stock.reserve(copies, "m", "o")

    @precondition(lambda self: self.promised > 0)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """A cancelled order gives back."""
        back = data.draw(st.integers(1, self.promised))
        self.stock.release(back, "m", "o")
        self.promised -= back

    @precondition(lambda self: self.promised > 0)
    @rule(data=st.data())
    def sell(self, data: st.DataObject) -> None:
        """Copies leave the house."""
        gone = data.draw(st.integers(1, self.promised))
        self.stock.sell(gone, "m", "o")
        self.promised -= gone

    @precondition(lambda self: self.stock.changed)
    @rule()
    def write(self) -> None:
        """The guarded write finds the document that was loaded and makes it what the stock is."""
        write = self.stock.write()
        self.ledger += self.stock.movements(utc_now())
        if self.stored is None:
            assert write.guard is None
            self.stored = dict(write.change)
        else:
            guard, update = write
            assert guard is not None
            assert matches(self.stored, guard)
            assert not matches({**self.stored, "rev": self.stored["rev"] + 1}, guard)
            for name, amount in update["$inc"].items():
                self.stored[name] += amount
        assert self.stored == {"_id": "b", **self.stock.model_dump(exclude={"id", "revision_id"})}
        self.stock = Stock.loaded(self.stored)
        assert not self.stock.changed

    @invariant()
    def sums(self) -> None:
        """available = on_hand - reserved >= 0, and every movement is in the ledger."""
        stock = self.stock
        assert stock.available == stock.on_hand - stock.reserved >= 0
        assert stock.reserved == self.promised
        entries = self.ledger + stock.movements(utc_now())
        assert sum(entry["on_hand"] for entry in entries) == stock.on_hand
        assert sum(entry["reserved"] for entry in entries) == stock.reserved


StockMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestStockMachine = StockMachine.TestCase


def test_the_write_is_guarded_against_overselling() -> None:
    """A reservation asks the database for enough copies, whatever was read before."""
    stock = Stock.loaded({"_id": "b", "on_hand": 5, "reserved": 0, "available": 5, "rev": 3})
    stock.reserve(4, "m", "o")
    guard, update = stock.write()
    assert guard == {"_id": "b", "rev": 3, "available": {"$gte": 4}}
    assert update == {"$inc": {"on_hand": 0, "reserved": 4, "available": -4, "rev": 1}}


def test_giving_back_more_than_is_promised_finds_nothing() -> None:
    """A release or a sale asks for enough reserved copies, so that a repeat cannot make stock out of nothing."""
    stock = Stock.loaded({"_id": "b", "on_hand": 5, "reserved": 2, "available": 3, "rev": 3})
    stock.release(2, "m", "o")
    guard, _ = stock.write()
    assert guard is not None
    assert guard["reserved"] == {"$gte": 2}


@pytest.mark.parametrize(
    ("available", "change", "crossed"), [(1, -1, True), (2, -1, False), (0, 1, True), (1, 1, False)]
)
def test_crossing_zero_is_noticed_in_both_directions(available: int, change: int, crossed: bool) -> None:
    """Only what makes a title sold out or available again is told."""
    stock = Stock.loaded({"_id": "b", "on_hand": available, "reserved": 0, "available": available, "rev": 1})
    stock.count(available + change, "m")
    assert stock.crossed_zero is crossed

"""The model explains what a correct cart may do, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.history import Op, Outcome
from tests.faults.model import Inexplicable, State, final_states

A, B = "9786600000008", "9786600000015"


def op(kind: str, at: float, quantity: int = 1, isbn: str = A, **fields: object) -> Op:
    """An operation that was accepted and known to be done half a second after it was sent."""
    given = {"acked": at + 0.5, "completed": at + 0.5, "outcome": Outcome.OK, **fields}
    return Op(kind, isbn, quantity, at, **given)  # type: ignore[arg-type]


def test_operations_one_after_the_other_have_one_end() -> None:
    """Two adds, a removal of another title, and an order of what is there."""
    ops = [op("add", 0, 2), op("add", 1, 3), op("remove", 2, isbn=B), op("order", 3, seen=((A, 5),))]
    assert final_states(ops) == {State()}


def test_a_lost_command_is_seen() -> None:
    """An accepted add that the order does not hold has no explanation."""
    with pytest.raises(Inexplicable):
        final_states([op("add", 0, 2), op("add", 1, 3), op("order", 2, seen=((A, 3),))])


def test_a_doubled_command_is_seen() -> None:
    """An add that counts twice has no explanation."""
    with pytest.raises(Inexplicable):
        final_states([op("add", 0, 2), op("read", 1, seen=((A, 4),))])


def test_reordered_commands_are_seen() -> None:
    """A set that was accepted after an add, and before its effect, has no explanation."""
    with pytest.raises(Inexplicable):
        final_states([op("add", 0, 2), op("set", 1, 5), op("read", 2, seen=((A, 7),))])


def test_concurrent_commands_may_come_in_either_order() -> None:
    """Neither was accepted before the other was sent: both orders are right."""
    ops = [op("add", 0, 2), op("set", 0.1, 5)]
    assert final_states(ops) == {State(((A, 5),)), State(((A, 7),))}


def test_an_unknown_command_may_have_happened_or_not() -> None:
    """Both ends are right, as long as nothing says more."""
    unknown = op("add", 0, 2, acked=float("inf"), completed=float("inf"), outcome=Outcome.UNKNOWN)
    assert final_states([unknown]) == {State(), State(((A, 2),))}
    assert final_states([unknown, op("read", 1, seen=((A, 2),))]) == {State(((A, 2),))}


def test_a_refused_command_did_not_happen() -> None:
    """What was answered 503 leaves no trace."""
    ops = [op("add", 0, 2, outcome=Outcome.REFUSED), op("add", 1, 1)]
    assert final_states(ops) == {State(((A, 1),))}


def test_a_rejection_must_be_right() -> None:
    """cart_empty of a cart that cannot have been empty has no explanation; cart_merged of a closed one has."""
    with pytest.raises(Inexplicable):
        final_states([op("add", 0), op("order", 1, outcome=Outcome.REJECTED, code="cart_empty")])
    closed = [op("add", 0), op("merge", 1), op("add", 2, outcome=Outcome.REJECTED, code="cart_merged")]
    assert final_states(closed) == {State(((A, 1),), closed=True)}


def test_a_merge_brings_what_the_other_cart_held() -> None:
    """One of the sets of lines that the other cart may have handed over."""
    handed = frozenset({((A, 2),), ((B, 1),)})
    ops = [op("add", 0), op("absorb", 1, handed=handed)]
    assert final_states(ops) == {State(((A, 3),)), State(((A, 1), (B, 1)))}


def test_a_read_before_the_outcome_is_known_may_miss_the_command() -> None:
    """Accepted is not yet applied: until it is known to be done, a read may show the cart without it."""
    late = op("add", 0, 2, completed=5.0)
    assert final_states([late, op("read", 1, seen=()), op("read", 6, seen=((A, 2),))]) == {State(((A, 2),))}
    with pytest.raises(Inexplicable):
        final_states([op("add", 0, 2), op("read", 1, seen=())])


WRITES = st.tuples(
    st.sampled_from(["add", "set", "remove", "clear"]), st.sampled_from([A, B]), st.integers(1, 9)
)


@given(st.lists(WRITES, max_size=8))
def test_a_history_in_a_row_has_the_end_of_its_replay(writes: list[tuple[str, str, int]]) -> None:
    """Whatever was done one after the other, the search finds the one state that plain replay leads to."""
    lines: dict[str, int] = {}
    ops = []
    for place, (kind, isbn, quantity) in enumerate(writes):
        ops.append(op(kind, float(place), quantity, isbn))
        if kind == "clear":
            lines = {}
        elif kind == "remove":
            lines.pop(isbn, None)
        else:
            lines[isbn] = quantity + (lines.get(isbn, 0) if kind == "add" else 0)
    assert final_states(ops) == {State(tuple(sorted(lines.items())))}

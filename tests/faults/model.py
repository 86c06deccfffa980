"""A cart as a sequential machine, and the search for an order of a history's operations that explains all of it.

Wing and Gong's search with Lowe's memory of configurations: depth first over the operations that may come next, each
configuration (which are done, which state) visited once. A history without such an order shows a lost, doubled or
reordered command.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from documents.carts import LINES_MAX, QUANTITY_MAX
from tests.faults.history import Lines, Op, Outcome

VISITED_MAX = 200_000


@dataclass(frozen=True, slots=True)
class State:
    """An open cart's lines, or those that a closed one handed over."""

    lines: Lines = ()
    closed: bool = False


class Inexplicable(AssertionError):
    """No order of the operations leads to what was seen."""


def final_states(ops: Sequence[Op], begin: State | None = None) -> frozenset[State]:
    """Every state in which the cart may be after these operations. Raises `Inexplicable` where there is none.

    Refused operations did not happen; unknown ones may have.
    """
    happened = [op for op in ops if op.outcome is not Outcome.REFUSED]
    masks = [
        sum(1 << place for place, other in enumerate(happened) if other is not op and other.before(op))
        for op in happened
    ]
    everything = (1 << len(happened)) - 1
    start = (0, begin or State())
    visited = {start}
    stack = [start]
    found = set()
    while stack:
        done, state = stack.pop()
        if done == everything:
            found.add(state)
            continue
        for place, op in enumerate(happened):
            bit = 1 << place
            if done & bit or masks[place] & ~done:
                continue
            for after in _after(op, state):
                configuration = (done | bit, after)
                if configuration not in visited:
                    visited.add(configuration)
                    stack.append(configuration)
        assert len(visited) < VISITED_MAX, f"a history of {len(happened)} operations is too wide to search"
    if not found:
        raise Inexplicable(f"no order of these explains them: {told(ops)}")
    return frozenset(found)


def _after(op: Op, state: State) -> Iterator[State]:
    """The states that an operation with this outcome may lead to; none where it cannot happen here."""
    if op.outcome is Outcome.UNKNOWN:
        yield state
        yield from _succeeded(op, state)
    elif op.outcome is Outcome.OK:
        yield from _succeeded(op, state)
    elif op.outcome is Outcome.REJECTED and _rejects(op, state):
        yield state


def _succeeded(op: Op, state: State) -> Iterator[State]:
    if op.kind == "read":
        if op.seen is None or (not state.closed and state.lines == op.seen):
            yield state
        return
    if state.closed:
        return
    if op.kind == "order":
        if state.lines and (op.seen is None or op.seen == state.lines):
            yield State()
    elif op.kind == "merge":
        yield State(state.lines, closed=True)
    elif op.kind == "absorb":
        for handed in op.handed:
            yield _with(_absorbed(dict(state.lines), handed))
    else:
        yield from _changed(op, dict(state.lines))


def _changed(op: Op, lines: dict[str, int]) -> Iterator[State]:
    match op.kind:
        case "add":
            quantity = lines.get(op.isbn, 0) + op.quantity
            if quantity <= QUANTITY_MAX and len(lines) < LINES_MAX:
                yield _with(lines | {op.isbn: quantity})
        case "set":
            yield _with(lines | {op.isbn: op.quantity})
        case "remove":
            lines.pop(op.isbn, None)
            yield _with(lines)
        case "clear":
            yield State()


def _absorbed(lines: dict[str, int], handed: Lines) -> dict[str, int]:
    for isbn, quantity in handed:
        lines[isbn] = min(QUANTITY_MAX, lines.get(isbn, 0) + quantity)
    return lines


def _rejects(op: Op, state: State) -> bool:
    """Whether a cart in this state may say no with that code. Stock and prices are no matter of the cart."""
    match op.code:
        case "cart_merged":
            return state.closed
        case "cart_empty":
            return not state.closed and not state.lines
        case "out_of_stock":
            return op.kind == "order" and not state.closed and bool(state.lines)
        case "quantity_too_large":
            return not state.closed and dict(state.lines).get(op.isbn, 0) + op.quantity > QUANTITY_MAX
    return False


def _with(lines: dict[str, int]) -> State:
    return State(tuple(sorted(lines.items())))


def told(ops: Iterable[Op]) -> str:
    """A history in words, in the order of its invocations."""
    ordered = sorted(ops, key=lambda op: op.invoked)
    begun = ordered[0].invoked if ordered else 0.0
    rows = (
        f"\n  {op.invoked - begun:8.3f} .. {op.acked - begun:8.3f} .. {op.completed - begun:8.3f}"
        f"  {op.kind} {op.isbn} {op.quantity or ''} {op.outcome} {op.code} {op.seen if op.seen is not None else ''}"
        f"{f' sent {op.sent} times' if op.sent > 1 else ''}"
        for op in ordered
    )
    return "".join(rows)
